//! The receipt of an erasure.

use jumeau::api::ErasureReceipt;

use super::quantity::count;
use super::sheet::Sheet;
use super::style::{FAINT, Styled, TITLE};

/// The items removed of a customer, by place.
pub(crate) fn receipt(receipt: &ErasureReceipt) -> String {
    let mut sheet = Sheet::new(100);
    let statement = &receipt.told;
    sheet.line(format_args!("{} {}", Styled(TITLE, "erased"), Styled(FAINT, &statement.erasure)));
    for one in &statement.identifiers {
        sheet.line(format_args!("{} at {}", Styled(TITLE, &one.mark), one.erased));
        for thing in &one.removed {
            let (number, what, place) = (count(thing.count), &thing.what, &thing.place);
            sheet.line(format_args!("  {what}: {number}, removed from {place}"));
        }
        sheet.line(format_args!("  files rewritten at {}", one.files_rewritten));
        sheet.line(format_args!("  events about them are dropped until {}", one.remembered_until));
    }
    let mut removed = statement.identifiers.iter().flat_map(|one| &one.removed);
    if removed.all(|thing| thing.count == 0) {
        sheet.line("nothing was known of this customer");
    }
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use jumeau::api::{ErasedIdentifier, ReceiptStatement, RemovedThings};
    use jumeau::event::Time;

    use super::*;

    #[test]
    fn a_receipt_names_places_and_no_customer() {
        let at = Time::parse("2026-11-22T09:30:00Z").unwrap();
        let thing = |place: &str, what: &str, count| RemovedThings {
            place: place.into(),
            what: what.into(),
            count,
            at,
        };
        let statement = ReceiptStatement {
            format: 1,
            erasure: "00000000000000000000000000000007".into(),
            done: at,
            identifiers: vec![ErasedIdentifier {
                mark: "08080808080808080808080808080808".into(),
                erased: at,
                remembered_until: at,
                removed: vec![thing("store", "decisions", 8), thing("JUMEAU_EVENTS", "events", 21)],
                files_rewritten: at,
            }],
        };
        let mut nobodys = statement.clone();
        nobodys.identifiers[0].removed = vec![thing("JUMEAU_EVENTS", "events", 0)];
        let nobodys = ErasureReceipt { told: nobodys, key: "U".into(), signature: "".into() };
        let text = super::super::plain(&receipt(&nobodys));
        assert!(text.ends_with("nothing was known of this customer\n"), "{text}");
        let signed =
            ErasureReceipt { told: statement.clone(), key: "U".into(), signature: "".into() };
        crate::render::hostile::withstands(&signed, receipt);
        let text =
            receipt(&ErasureReceipt { told: statement, key: "U".into(), signature: "".into() });
        insta::assert_snapshot!(super::super::plain(&text), @r"
        erased 00000000000000000000000000000007
        08080808080808080808080808080808 at 2026-11-22T09:30:00Z
          decisions: 8, removed from store
          events: 21, removed from JUMEAU_EVENTS
          files rewritten at 2026-11-22T09:30:00Z
          events about them are dropped until 2026-11-22T09:30:00Z
        ");
    }
}
