//! `jumeau rehearse`: compares two policies on the same history.

use anyhow::{Context as _, anyhow};
use jumeau::bus::{self, Bus};
use jumeau::config::Settings;
use jumeau::config::settings::with_login;
use jumeau::event::{AgentChannels, Customer, Rights, Time};
use jumeau::models::Snapshot;
use jumeau::past::{Lived, Past};
use jumeau::policy::{self, Policy};
use jumeau::policy_source::PolicySource;
use jumeau::rehearsal::{
    self, CustomerSample, ModelSource, Pair, RehearsalReport, RelearnedModels, recollect,
};
use jumeau::roles::Lacks;
use jumeau::{roles, terminal};

use crate::{Models, Rehearse, checking, languages};

/// Customers who are replayed in parallel: all their outputs are in memory meanwhile.
const LIVES_AT_ONCE: usize = 64;

/// Variables that other tools of NATS and `twinctl` use, and the corresponding settings; besides them
/// `NATS_USER` and `NATS_PASSWORD`.
const VARIABLES: [(&str, &str); 6] = [
    ("NATS_URL", "nats.url"),
    ("NATS_CREDS", "nats.credentials"),
    ("NATS_NKEY", "nats.nkey"),
    ("NATS_CA", "nats.tls.ca"),
    ("NATS_INBOX_PREFIX", "nats.inbox"),
    ("JUMEAU_AS", "nats.name"),
];

/// Compares two policies on the same history. Nothing is published or stored.
pub(crate) async fn rehearse(arguments: &Rehearse) -> anyhow::Result<()> {
    let variables: Vec<(&str, &str, String)> = VARIABLES
        .into_iter()
        .filter_map(|(variable, key)| Some((variable, key, std::env::var(variable).ok()?)))
        .filter(|(.., value)| !value.is_empty())
        .collect();
    let mut settings = arguments.choices.settings(&variables)?;
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    if let (Some(user), Some(password)) = (variable("NATS_USER"), variable("NATS_PASSWORD")) {
        settings.nats.url = with_login(&settings.nats.url, &user, &password);
    }
    let bus = Bus::visit(&settings.nats).await.map_err(no_broker)?;
    let name = settings.nats.name.clone();
    tokio::select! {
        done = with_bus(arguments, &settings, &bus) => done,
        denied = bus.denied() => {
            Err(anyhow!(roles::denied(bus.subjects(), name.as_deref(), &denied)))
        }
    }
}

/// The error without a broker: names where one is looked for, as `twinctl` does.
fn no_broker(error: bus::Error) -> anyhow::Error {
    let bus::Error::Connect { url, source } = error else { return error.into() };
    let advice = Lacks::read(&*source).map_or_else(
        || "name another with --server or NATS_URL".to_owned(),
        |lacks| {
            lacks.advice(
                "NATS_CA or `--set nats.tls.ca=FILE`",
                "NATS_NKEY, NATS_CREDS, or NATS_USER and NATS_PASSWORD, as for `twinctl`",
            )
        },
    );
    anyhow!("{source}").context(format!("expected a broker at {url}; {advice}"))
}

/// The live policy of the service, and a remark about it.
async fn live_policy(settings: &Settings, bus: &Bus) -> anyhow::Result<(Policy, Option<String>)> {
    let languages = languages(settings)?;
    let named = PolicySource::find(&settings.service.policy).and_then(|source| source.files());
    match rehearsal::running(bus).await {
        Ok(files) => {
            let live = policy::load_with(&files, &languages)
                .context("this version cannot read the service's policy")?;
            let other = named.ok().map(|named| named.version());
            let differs = other.filter(|other| *other != live.version);
            // Without an explicit setting, the default policy is probably not meant.
            let is_named = std::env::var_os("JUMEAU_SERVICE__POLICY").is_some()
                || settings.service.policy != Settings::default().service.policy;
            let note = differs.filter(|_| is_named).map(|other| {
                format!(
                    "`{}` on this disk is version {other}; the service's own policy is used as the \
                     live one",
                    settings.service.policy
                )
            });
            Ok((live, note))
        }
        Err(why) => {
            let live = policy::load_with(&named?, &languages)?;
            let note = format!(
                "using `{}` from this disk as the live policy, because no service could be asked \
                 for its own: {why}",
                settings.service.policy
            );
            Ok((live, Some(note)))
        }
    }
}

async fn with_bus(arguments: &Rehearse, settings: &Settings, bus: &Bus) -> anyhow::Result<()> {
    let other = PolicySource::find(&arguments.with)?.policy(&languages(settings)?)?;
    let (live, note) = live_policy(settings, bus).await?;

    let rights = rights(settings, bus).await;
    let sample = read_sample(arguments.sample, bus, &rights).await?;
    // Without a service, the journal, the models and the forged messages are unknown.
    let learned = RelearnedModels::of(bus).await.ok();
    let has_service = learned.is_some();
    let customers = complete(sample, bus, &rights, has_service).await?;
    let comparison = Comparison {
        bus,
        policies: [&live, &other],
        by: if arguments.models == Models::Now { ModelSource::Now } else { ModelSource::Then },
        learned,
        report: RehearsalReport::new(&live, &other, arguments.across.as_deref()),
        by_now: 0,
    };
    let (report, by_now) = comparison.run(customers).await?;
    bus.close().await?;

    let notes = note.into_iter().chain(limitations(has_service, by_now)).collect();
    print(arguments, &report, notes)
}

/// Which channels may speak for agents or merge customers: as the service has it; without one, as the
/// settings have it.
async fn rights(settings: &Settings, bus: &Bus) -> Rights {
    rehearsal::rights(bus).await.unwrap_or_else(|_| {
        let service = &settings.service;
        let desks = AgentChannels::new(service.desks.iter().map(String::as_str));
        Rights::new(desks, service.merging_channels.iter().map(String::as_str))
    })
}

/// Reads the whole stream of events for a sample of customers.
async fn read_sample(size: usize, bus: &Bus, rights: &Rights) -> anyhow::Result<CustomerSample> {
    let bar = indicatif::ProgressBar::new_spinner().with_message("reading the stream of events");
    let mut sample = CustomerSample::new(size);
    bus.past(None, |mut delivery| {
        delivery.admit(rights);
        sample.take(delivery);
        bar.inc(1);
        true
    })
    .await?;
    bar.finish_and_clear();
    Ok(sample)
}

/// The customers of the sample with their whole histories. A service says which messages are forged.
async fn complete(
    mut sample: CustomerSample,
    bus: &Bus,
    rights: &Rights,
    has_service: bool,
) -> anyhow::Result<Vec<(Customer, Past)>> {
    let forged =
        if has_service { rehearsal::forged(bus, &sample.doubtful()).await? } else { Vec::new() };
    let missing = sample.settle(&forged);
    for mut delivery in bus.events_at(&missing).await? {
        delivery.admit(rights);
        sample.add(delivery);
    }
    Ok(sample.finish())
}

/// The comparison of two policies, and its report so far.
struct Comparison<'a> {
    bus: &'a Bus,
    /// The live one, and the other.
    policies: [&'a Policy; 2],
    by: ModelSource,
    learned: Option<RelearnedModels<'a>>,
    report: RehearsalReport,
    /// Inputs whose model version is no longer kept.
    by_now: u64,
}

impl Comparison<'_> {
    /// Replays the customers, some at once.
    async fn run(
        mut self,
        mut customers: Vec<(Customer, Past)>,
    ) -> anyhow::Result<(RehearsalReport, u64)> {
        let bar = indicatif::ProgressBar::new(customers.len() as u64).with_message("rehearsing");
        while !customers.is_empty() {
            let rest = customers.split_off(customers.len().min(LIVES_AT_ONCE));
            if self.learned.is_some() {
                for (customer, past) in &mut customers {
                    recollect(self.bus, customer, past).await?;
                }
            }
            // Doubtful messages may have expired meanwhile.
            customers.retain(|(_, past)| !past.is_empty());
            let mut lived = self.replay(&customers).await?.into_iter();
            for (_, past) in &customers {
                if let (Some(live), Some(other)) = (lived.next(), lived.next()) {
                    self.report.add(past, &Pair { live, other });
                }
                bar.inc(1);
            }
            customers = rest;
        }
        bar.finish_and_clear();
        Ok((self.report, self.by_now))
    }

    /// Each customer's life under the live policy and under the other.
    async fn replay(&mut self, customers: &[(Customer, Past)]) -> anyhow::Result<Vec<Lived>> {
        let mut lives = Vec::new();
        for (customer, past) in customers {
            // The history ends with its last input.
            let until = past.span().map_or(Time::MIN, |(_, last)| last);
            lives.extend(self.policies.map(|policy| past.life(customer, policy, until)));
        }
        Ok(match &mut self.learned {
            Some(learned) => {
                let lives = rehearsal::live(lives, self.by, learned).await?;
                self.by_now += lives.by_now;
                lives.lived
            }
            None => lives.into_iter().map(|life| life.to_end(&Snapshot::nothing())).collect(),
        })
    }
}

/// What the rehearsal could not take into account.
fn limitations(has_service: bool, by_now: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if !has_service {
        notes.push(
            "no service answers on this broker, so the rehearsal leaves out API requests of \
             channels and learned models, and cannot check which internal messages are genuine"
                .to_owned(),
        );
    }
    if by_now > 0 {
        notes.push(format!(
            "{} used model versions that are no longer kept; they are decided with the current \
             model",
            crate::console::many(usize::try_from(by_now).unwrap_or(usize::MAX), "input")
        ));
    }
    notes
}

/// Prints the report with remarks, and writes its page.
fn print(
    arguments: &Rehearse,
    report: &RehearsalReport,
    mut notes: Vec<String>,
) -> anyhow::Result<()> {
    if let Some(file) = &arguments.html {
        std::fs::write(file, rehearsal::html(report))
            .with_context(|| format!("cannot write {}", file.display()))?;
        notes.push(format!("the page is {}", file.display()));
    }
    if arguments.json {
        return checking::tell(&serde_json::json!({ "report": report, "notes": notes }));
    }
    terminal::show(rehearsal::text(report));
    notes.iter().for_each(terminal::say);
    Ok(())
}
