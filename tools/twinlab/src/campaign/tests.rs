use std::fmt::Write as _;

use clap::Parser as _;

use super::log::CampaignLog;
use super::table::CsvFile;
use super::{CampaignArguments, replay, report, section};

#[derive(Debug, clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: CampaignArguments,
}

pub(super) fn log(csv: &[u8], options: &[&str]) -> anyhow::Result<CampaignLog> {
    log_and_arguments(csv, options).map(|(log, _)| log)
}

fn log_and_arguments(
    csv: &[u8],
    options: &[&str],
) -> anyhow::Result<(CampaignLog, CampaignArguments)> {
    let line = ["twinlab", "log.csv"].into_iter().chain(options.iter().copied());
    let arguments = CommandLine::try_parse_from(line)?.arguments;
    let log = CampaignLog::of(&CsvFile::new(|| Ok(csv), arguments.delimiter()?)?, &arguments)?;
    Ok((log, arguments))
}

fn refused(csv: &[u8], options: &[&str]) -> String {
    format!("{:#}", log(csv, options).unwrap_err())
}

fn text(csv: &str, options: &[&str]) -> String {
    let log = log(csv.as_bytes(), options).unwrap();
    section::text(&report::Report::of(&log, 3).sections())
}

/// 1,200 choices between two actions: `offer` is answered by the young, nothing by one in ten.
fn campaign() -> String {
    let mut csv = "age,area,action,propensity,reward\n".to_owned();
    for number in 0..1_200 {
        let (age, with) = (if number % 2 == 0 { 20 } else { 60 }, number / 2 % 2 == 0);
        let response = if with && age == 20 { number % 3 > 0 } else { number % 10 == 0 };
        let action = if with { "offer" } else { "control" };
        let area = ["town", "\"sea, coast\""][number / 4 % 2];
        let _ = writeln!(csv, "{age},{area},{action},0.5,{}", u8::from(response));
    }
    csv
}

#[test]
fn a_log_says_what_learning_is_worth_and_what_each_figure_means() {
    insta::assert_snapshot!(text(&campaign(), &["--orders=3"]), @r"
    THE LOG
    1200 choices between 2 actions, each with what was known of the customer: age, area. Raw is the
    share of choices with the reward 1. The responses are that share if everybody had got the action:
    each choice counts for the inverse of its propensity; the interval holds the true share in 95 of 100
    cases. Actions whose intervals overlap may be equally good.

      choices  share     raw  responses      95% interval  action
          600  0.500  0.1000     0.1000  0.0785 to 0.1266  control
          600  0.500  0.3333     0.3333  0.2968 to 0.3720  offer

    LEARNING FROM THE FIRST CUSTOMER ON
    The responses of each choice if the learner had chosen, without any experience at first. The log is
    replayed in 3 random orders; in each, the 606 choices count (on average) in which the learner
    chooses what was chosen. The deviation and the worst order tell how much luck is in it. Beside it,
    Thompson sampling that reads no context: if the learner is not above it, the context does not yet
    pay.

        mean  deviation   worst    best
      0.3198     0.0031  0.3154  0.3222  the learner
      0.3302     0.0013  0.3284  0.3311  Thompson sampling without context

    ! Only 606 choices count in a replay, those where the learner chooses what was chosen: too few for
      it to learn much. A longer log, or one with fewer actions or more even propensities, says more.

    ONCE IT HAS LEARNED
    The responses of each choice by a learner that knows one half of the log, estimated on the other
    half, and the other way round. IPS weighs each outcome by how much more probable the learner makes
    the choice than it was; SNIPS divides by the sum of the weights; DR corrects what the learner
    expects by what happened, and is usually the nearest. They should agree. The effective choices are
    how many choices of its own the log is worth. The last line is what telling customers apart is
    worth, beyond the action that did best in the half that was learned from; its interval is wider than
    those above allow, because both halves err together. Here the interval contains 0, so the log does
    not show which is better.

       value       95% interval  effective choices  policy
      0.3333   0.2911 to 0.3755                614  the learner, by IPS
      0.3335   0.2960 to 0.3710                614  the learner, by SNIPS
      0.3326   0.2999 to 0.3653                614  the learner, by DR
      0.3326   0.2999 to 0.3653                600  always offer, by DR
      0.0000  -0.0003 to 0.0003                     the learner less always offer, by DR

    ! The log is worth only 614 choices of the learner (the effective sample size): it seldom chose what
      the learner would, so a few customers decide the estimate.

    ARE ITS EXPECTATIONS RIGHT?
    What the learner expected of choices that it did not learn from, beside what happened. The expected
    calibration error is how far the two are apart in ten groups, on average: below 0.03 a propensity
    can be taken at its word. The log-loss punishes confident mistakes; if it is not below that of the
    constant rate, the context tells nothing.

        figure          95% interval
        0.0150                        expected calibration error
       0.28936                        log-loss of the learner
       0.52268                        log-loss of the constant rate
      -0.23332  -0.25934 to -0.20729  the learner less the constant rate

    expected  happened  o what happened, | what was expected
      0.0006    0.0000  o
      0.0013    0.0000  o
      0.0023    0.0000  o
      0.0037    0.0000  o
      0.0053    0.0000  o
      0.1513    0.2167             |    o
      0.1997    0.2000                 o
      0.4157    0.4167                                 o
      0.6149    0.6667                                                |   o
      0.6487    0.6667                                                   |o
      0.2043    0.2167  in all

    DOES THE ACTION MAKE THE DIFFERENCE?
    Uplift is the responses with an action, less those with `control`: who responds anyway is no success
    of it. The gain is that of all customers. The Qini coefficient tells whether the learner knows for
    whom the gain is greatest: it is the area between the Qini curve and the line of a random order, 0
    if it does not know, and below 0 if it is mistaken.

        gain  Qini coefficient      95% interval  action
      0.2336           0.05835  0.0451 to 0.0716  offer

    FOR WHOM OFFER MAKES A DIFFERENCE
    Fifths of the customers by expected uplift. Where what happened is not above 0, the action is not
    worth its contact.

      expected  happened       95% interval  customers
       +0.4390   +0.4719   0.3518 to 0.5717  greatest expected uplift
       +0.4292   +0.5042   0.3869 to 0.5992  second fifth
       +0.2124   +0.1729   0.0729 to 0.2721  third
       -0.0027   +0.0000  -0.0313 to 0.0308  fourth
       -0.0034   +0.0000  -0.0310 to 0.0310  least
    ");
}

#[test]
fn the_page_shows_what_the_text_does_and_escapes_what_the_log_says() {
    let csv = campaign().replace("offer", "<b>of\u{1b}[2Jfer");
    let log = log(csv.as_bytes(), &[]).unwrap();
    let page = section::page("past", &report::Report::of(&log, 2).sections());
    for part in [
        "&lt;b&gt;of\u{fffd}[2Jfer",
        "the learner, by SNIPS",
        "Qini curve",
        "expected calibration error",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>"), "an action's name is no HTML");
    assert!(!page.contains('\u{1b}'), "and controls no terminal");
}

#[test]
fn the_same_log_is_replayed_alike() {
    let log = log(campaign().as_bytes(), &[]).unwrap();
    assert_eq!(replay::replays(&log, 2), replay::replays(&log, 2));
}

#[test]
fn without_propensities_the_shares_of_the_actions_are_taken_and_the_report_says_so() {
    let csv = "x,what,y\n1,a,0\n1,a,1\n2,a,0\n2,b,1\n";
    let log = log(csv.as_bytes(), &["--action=what", "--reward=y"]).unwrap();
    let found: Vec<f64> = log.choices.iter().map(|choice| choice.propensity).collect();
    assert_eq!(found, [0.75, 0.75, 0.75, 0.25]);
    let text = text(csv, &["--action=what", "--reward=y"]);
    assert!(text.contains("! There is no column of propensities."), "{text}");
    assert!(text.contains("! Only "), "few choices: {text}");
    assert!(text.contains("Only a control group tells"), "{text}");
}

#[test]
fn propensities_that_cannot_be_those_of_the_choices_are_named() {
    let text = text(&campaign().replace(",0.5,", ",0.9,"), &[]);
    let start =
        "! The propensities of `control`, `offer` do not fit how often the action was chosen";
    assert!(text.contains(start), "{text}");
}

#[test]
fn raw_shares_that_mislead_are_weighed_and_named() {
    // The offer changes nothing, but those who respond anyway were likelier to get it.
    let mut csv = "age,action,propensity,reward\n".to_owned();
    for number in 0..4_000 {
        let (young, lot) = (number % 2 == 0, number / 2 % 10);
        let offered = if young { lot < 8 } else { lot < 2 };
        let propensity = if young == offered { 0.8 } else { 0.2 };
        let response = u8::from(number / 20 % 10 < if young { 4 } else { 1 });
        let (age, action) =
            (if young { 20 } else { 60 }, if offered { "offer" } else { "control" });
        let _ = writeln!(csv, "{age},{action},{propensity},{response}");
    }
    let text = text(&csv, &[]);
    assert!(text.contains("0.3400     0.2500  0.22"), "{text}");
    assert!(text.contains("! The raw share misleads for `control`, `offer`:"), "{text}");
}

#[test]
fn many_rare_actions_get_one_warning() {
    let mut csv = "age,action,reward\n".to_owned();
    (0..1_000).for_each(|number| {
        let _ = writeln!(csv, "{},a{},{}", number % 70, number % 100, number % 3 / 2);
    });
    let text = text(&csv, &[]);
    let start = "! Fewer than 20 responses are too few to tell much about an action: `a0`, `a1`,";
    assert_eq!(text.matches(start).count(), 1, "{text}");
    assert_eq!(text.matches("too few to tell much").count(), 1, "{text}");
    assert!(text.contains("and 95 more"), "{text}");
}

#[test]
fn a_column_that_names_the_customer_is_named() {
    let mut csv = "customer,action,reward\n".to_owned();
    for number in 0..1_500 {
        let _ = writeln!(csv, "c-{number},{},{}", ["a", "b"][number % 2], number % 3 / 2);
    }
    assert!(text(&csv, &[]).contains("leave it out with --without customer"));
    let without = log(csv.as_bytes(), &["--without=customer"]).unwrap();
    assert_eq!(without.context.names().count(), 0);
}

#[test]
fn a_column_is_numeric_only_if_each_of_its_values_is_known_or_a_number() {
    let rows = "a,0,1\nb,1,\na,0,NA\nb,0,3.5\n";
    let features = |extra: &str| {
        let log = log(format!("action,reward,size\n{rows}{extra}").as_bytes(), &[]).unwrap();
        log.features(0)
    };
    assert_eq!(features("a,1,2\n"), features("b,1,\n"));
    assert_ne!(features("a,1,2\n"), features("a,1,large\n"));
}

#[test]
fn a_quoted_field_may_hold_commas_and_line_breaks_and_errors_count_lines_of_the_file() {
    let csv = b"area,action,reward\n\"sea,\ncoast\",a,0\ntown,b,1\ntown,b,2\n";
    assert_eq!(
        refused(csv, &[]),
        "line 5: expected 0 or 1 in `reward`, found `2`; say whether there was a response"
    );
}

#[test]
fn a_byte_order_mark_and_other_delimiters_are_understood() {
    let log = log(b"\xef\xbb\xbfaction;reward\r\na;0\r\nb;1\r\n", &["--delimiter=;"]).unwrap();
    assert_eq!(log.actions, ["a", "b"]);
}

#[test]
fn what_a_log_may_not_hold_is_said_with_its_line() {
    let found: Vec<String> = [
        (&b""[..], &[][..]),
        (b"action,reward\n", &[]),
        (b"x,y\n1,2\n", &[]),
        (b"action;reward\na;1\n", &[]),
        (b"action,action,reward\na,a,1\n", &[]),
        (b"action,reward\na,1\nb\n", &[]),
        (b"action,reward\na,1\nb,yes\n", &[]),
        (b"action,reward\na,1\nb,NaN\n", &[]),
        (b"action,reward\na,1\n,0\n", &[]),
        (b"action,reward\na,1\na,0\n", &[]),
        (b"action,propensity,reward\na,1,0\nb,0,1\n", &[]),
        (b"action,propensity,reward\na,1,0\nb,1.5,1\n", &[]),
        (b"action,propensity,reward\na,1,0\nb,1e-300,1\n", &[]),
        (b",action,reward\n0,a,1\n1,b,0\n", &[]),
        (b"\xff\xfea\0c\0t\0i\0o\0n\0,\0r\0\n\0a\0,\x001\0\n\0", &[]),
        (b"a\0c\0t\0i\0o\0n\0,\0r\0\n\0a\0,\x001\0\n\0", &[]),
        (b"action,propensity,reward\na,1,0\nb,NaN,1\n", &[]),
        (b"action,propensity,reward\na,1,0\nb,,1\n", &[]),
        (b"area,action,reward\ntown,a,0\nK\xf6ln,b,1\n", &[]),
        (b"action,reward\na,1\nb,0\n", &["--control=nothing"]),
        (b"action,reward\na,1\nb,0\n", &["--propensity=chance"]),
        (b"action,reward\na,1\nb,0\n", &["--context=reward"]),
        (b"action,reward\na,1\nb,0\n", &["--prior=1"]),
        (b"action,reward\na,1\nb,0\n", &["--delimiter=ab"]),
    ]
    .into_iter()
    .map(|(csv, options)| refused(csv, options))
    .collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    expected a line with the names of the columns, found an empty file
    expected lines below the names of the columns, found none
    expected a column `action`, found x, y; --help says how to name other columns
    expected a column `action`, found action;reward; if columns end at `;`, say --delimiter
    line 1: expected a name for each column, found `action` twice; rename one
    line 3: expected 2 fields, found 1; a text with a comma or a line break in it must be in double quotes
    line 3: expected 0 or 1 in `reward`, found `yes`; say whether there was a response
    line 3: expected 0 or 1 in `reward`, found `NaN`; say whether there was a response
    line 3: expected an action in `action`, found nothing
    expected at least two actions in `action`, found only `a`: a choice needs alternatives
    line 3: expected a probability of at least 1e-9 and at most 1 in `propensity`, found `0`
    line 3: expected a probability of at least 1e-9 and at most 1 in `propensity`, found `1.5`
    line 3: expected a probability of at least 1e-9 and at most 1 in `propensity`, found `1e-300`
    line 1: expected a name for each column, found none for column 1; name the column, or leave it out of the file (pandas: `to_csv(…, index=False)`)
    line 1: expected UTF-8, found UTF-16; save the file as `CSV UTF-8`, or convert it with `iconv -f utf-16 -t utf-8`
    line 1: expected UTF-8, found UTF-16; save the file as `CSV UTF-8`, or convert it with `iconv -f utf-16 -t utf-8`
    line 3: expected a probability of at least 1e-9 and at most 1 in `propensity`, found `NaN`
    line 3: expected a probability of at least 1e-9 and at most 1 in `propensity`, found ``
    line 3: expected UTF-8 in `area`, found other bytes; convert the file, for example with `iconv -f latin1 -t utf-8`
    expected the action `nothing` of --control in `action`, found a, b
    expected a column `chance`, found action, reward; --help says how to name other columns
    expected in --context what was known before the choice, found `reward`
    expected a prior above 0 and below 1, found 1
    expected one character in --delimiter, such as `;`, found `ab`
    ");
}

#[test]
fn a_log_that_can_tell_nothing_is_refused() {
    let of = |count: usize, reward: fn(usize) -> u8| {
        let mut csv = "action,reward\n".to_owned();
        (0..count).for_each(|number| {
            let _ = writeln!(csv, "{},{}", ["a", "b"][number % 2], reward(number));
        });
        let (log, arguments) = log_and_arguments(csv.as_bytes(), &[]).unwrap();
        log.check(&arguments).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    };
    let mixed: fn(usize) -> u8 = |number| u8::from(number % 3 == 0);
    insta::assert_snapshot!(
        [of(3, mixed), of(99, mixed), of(100, mixed), of(200, |_| 1)].join("\n"),
        @r"
    expected at least 100 choices, found 3: too few to tell anything; collect a longer log, of thousands
    expected at least 100 choices, found 99: too few to tell anything; collect a longer log, of thousands
    fine
    expected responses and others in `reward`, found only 1: there is nothing to be learned; is it the right column?
    "
    );
}

#[test]
fn a_figure_has_no_sign_without_a_value_and_few_digits() {
    let figures = [-0.000_001, -0.1, 0.0, 1e300, -2.5e7].map(|value| report::fixed(value, 4));
    assert_eq!(figures, ["0.0000", "-0.1000", "0.0000", "1.000e300", "-2.500e7"]);
}

#[test]
fn more_actions_or_columns_than_there_can_be_are_refused() {
    let mut csv = "action,reward\n".to_owned();
    (0..101).for_each(|number| csv += &format!("a{number},0\n"));
    assert_eq!(
        refused(csv.as_bytes(), &[]),
        "line 102: expected at most 100 actions in `action`, found more"
    );
    let names: Vec<String> = (0..300).map(|number| format!("x{number}")).collect();
    let csv = format!("action,reward,{}\n", names.join(","));
    assert!(
        refused(csv.as_bytes(), &[]).starts_with("expected at most 256 columns of the context")
    );
}
