//! The commands of the pages run as they stand, and print what the pages show.
//!
//! A page's blocks say what is done with them (docs/development.md#commands-in-pages). Each page has a folder
//! of its own, which looks like a clone's root, and brokers and services on ports of their own. Without the
//! engine there is no service: three pages are run up to the first command that starts one.

mod matching;
mod page;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use matching::{assert_shown, same_json};
use page::{Block, Role, ShownCommand, Writing, blocks};
use shell::Shell;

/// A test for each page with commands that run.
macro_rules! pages {
    ($($(#[$attribute:meta])* $name:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[tokio::test]
            $(#[$attribute])*
            async fn $name() {
                run_page($page).await;
            }
        )*
    };
}

pages! {
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_the_readme_run: "README.md",
    the_commands_of_the_tutorial_run: "docs/policies/tutorial.md",
    the_commands_of_the_reference_of_policies_run: "docs/policies/reference.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_the_contract_run: "docs/contract.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_identity_run: "docs/identity.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_decisions_run: "docs/decisions.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_people_run: "docs/people.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_operating_run: "docs/operating/README.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_deploy_run: "docs/operating/deploy.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_backup_run: "docs/operating/backup.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_encryption_run: "docs/operating/encryption.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_erasure_run: "docs/operating/erasure.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_the_api_run: "docs/reference/api.md",
    the_commands_of_tools_run: "docs/reference/tools.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_dead_letters_run: "docs/reference/dead-letters.md",
    #[cfg_attr(not(feature = "engine"), ignore = "needs the engine")]
    the_commands_of_the_example_policies_run: "config/policies/README.md",
}

/// Runs the commands of a page in order, and compares what they print with what it shows.
async fn run_page(page: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let mut shell = Shell::new();
    for block in blocks(&text) {
        let place = format!("{page}:{}", block.line);
        match block.role().unwrap_or_else(|wrong| panic!("{place}: {wrong}")) {
            Role::Run => {
                if !run_block(&mut shell, &place, &block).await {
                    break;
                }
            }
            Role::Output => compare(&shell, &place, &block).await,
            Role::Write { file, how } => write(&shell, file, how, &block.text),
            Role::Example | Role::Quote => {}
        }
    }
    shell.stop().await;
}

/// Runs the commands of a block; returns whether the page goes on.
async fn run_block(shell: &mut Shell, place: &str, block: &Block) -> bool {
    for ShownCommand { command, output } in block.commands() {
        if cfg!(not(feature = "engine")) && shell::runs_on(&command) {
            return false;
        }
        let (printed, is_done) = shell.run(&command).await;
        if output.trim().is_empty() {
            assert!(is_done, "{place}: `{command}` fails:\n{printed}");
        } else {
            assert_shown(&format!("{place}: `{command}`"), &output, &printed);
        }
    }
    true
}

async fn compare(shell: &Shell, place: &str, block: &Block) {
    if block.language == "json" {
        let printed = shell.last_output(|text| same_json(&block.text, text)).await;
        assert!(same_json(&block.text, &printed), "{place}: printed is\n{printed}");
    } else {
        let is_shown = |text: &str| matching::is_shown(&block.text, text);
        let printed = shell.last_output(is_shown).await;
        assert_shown(place, &block.text, &printed);
    }
}

fn write(shell: &Shell, file: &str, how: Writing, text: &str) {
    let path = shell.folder().join(file);
    let before = match how {
        Writing::Anew => String::new(),
        Writing::Paragraph => fs::read_to_string(&path).unwrap() + "\n",
        Writing::Line => fs::read_to_string(&path).unwrap(),
    };
    fs::write(path, before + text).unwrap();
}

#[test]
fn every_page_with_commands_to_run_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for page in page::pages(root) {
        let blocks = blocks(&fs::read_to_string(&page).unwrap());
        if blocks.iter().any(|block| matches!(block.role(), Ok(Role::Run))) {
            found.insert(page.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, PAGES.iter().map(|page| (*page).to_owned()).collect());
}
