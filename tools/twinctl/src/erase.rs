//! Erasing a customer: asks whether that is meant, waits until nothing is left, hands out the
//! receipt; and tells whether a receipt is to be believed.

use std::fs::File;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use jumeau::api::{EraseReply, EraseRequest, ErasureReceipt, verb};
use jumeau::terminal;

use crate::failure::Failure;
use crate::out::Out;
use crate::render;
use crate::service::Service;

/// Between two questions how far an erasure is.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What an operator typed.
pub(crate) struct EraseArguments<'a> {
    pub(crate) customer: &'a str,
    /// Do not ask for confirmation.
    pub(crate) yes: bool,
    /// An erasure that was begun before.
    pub(crate) erasure: Option<String>,
    /// Where the receipt goes.
    pub(crate) output: Option<&'a Path>,
    /// How it is printed.
    pub(crate) out: Out,
    /// Wait so long until nothing is left.
    pub(crate) wait: Duration,
}

pub(crate) async fn erase(service: &Service, wanted: EraseArguments<'_>) -> Result<(), Failure> {
    if !wanted.yes && wanted.erasure.is_none() && !is_meant(wanted.customer)? {
        return Err(Failure::Negative("nothing was erased".into()));
    }
    // There is one receipt: where it goes is found out before it is made.
    let mut paper = wanted.output.map(paper).transpose()?;
    let begun = Instant::now();
    let mut question = EraseRequest { erasure: wanted.erasure.map(Into::into) };
    let receipt = loop {
        let reply: EraseReply =
            service.ask_of(verb::ERASE, wanted.customer, Some(&question)).await?;
        if let Some(receipt) = reply.receipt {
            break receipt;
        }
        if begun.elapsed() > wanted.wait {
            return Err(Failure::Negative(format!(
                "the erasure continues in the service and cannot be cancelled; check its progress \
                 with --erasure {}",
                reply.erasure
            )));
        }
        question.erasure = Some(reply.erasure);
        tokio::time::sleep(ASK_AGAIN).await;
    };
    let text = serde_json::to_string_pretty(&receipt)
        .map_err(|error| Failure::Unreachable(format!("the receipt is not JSON: {error}")))?;
    wanted.out.tell(&receipt, render::receipt)?;
    let (Some(path), Some(paper)) = (wanted.output, &mut paper) else { return Ok(()) };
    paper
        .set_len(0)
        .and_then(|()| paper.write_all(format!("{text}\n").as_bytes()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// The file for a receipt; what it holds stays until there is one.
fn paper(path: &Path) -> Result<File, Failure> {
    let opened = File::options().write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| {
        Failure::Usage(format!("expected a file for the receipt at {}: {error}", path.display()))
    })
}

fn is_meant(customer: &str) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::Usage(
            "expected a confirmation, found no terminal; use --yes to confirm".into(),
        ));
    }
    terminal::warn(format_args!(
        "This erases all data of `{customer}`, under all identifiers, and cannot be undone."
    ));
    terminal::ask("Type the identifier again to go on: ");
    let mut line = String::new();
    input
        .read_line(&mut line)
        .map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']) == customer)
}

/// Tells whether a receipt is to be believed.
pub(crate) fn verify(path: &Path, key: Option<&str>, out: Out) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let receipt: ErasureReceipt = serde_json::from_str(&text).map_err(|error| {
        Failure::Negative(format!("expected a receipt at {}, found: {error}", path.display()))
    })?;
    receipt.verify(key).map_err(|bad| Failure::Negative(bad.to_string()))?;
    out.tell(&receipt, render::receipt)?;
    out.remark(format_args!("valid: signed by {}", receipt.key));
    Ok(())
}
