"""Runs twinlab beside what others learn and evaluate with, on the same data.

    lab.py bandit [SET...]
    lab.py evaluate
    lab.py campaign [LOG...]

`tools/lab` prepares the environment, and says what for. TWINLAB names the program.
"""

import bz2
import gzip
import importlib
import lzma
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import types
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

DATA = Path(".jumeau/data/lab")

# What cb_explore_adf explores by; the first is its default. `-q sa` crosses situation and arm,
# without which it cannot tell situations apart.
EXPLORERS = {
    "epsilon": "",
    "squarecb": "--squarecb",
    "bag": "--bag 5",
    "cover": "--cover 3",
}

# Rows of one set that are played, in all passes together, and in one pass.
ROWS = 6_000
ROWS_OF_A_PASS = 10_000

R_SETS = {
    "mlbench": {
        "Soybean": "Class", "Zoo": "type", "Satellite": "classes", "DNA": "Class", "Sonar": "Class",
        "PimaIndiansDiabetes2": "diabetes", "Vowel": "Class", "Ionosphere": "Class",
        "HouseVotes84": "Class", "Vehicle": "Class", "LetterRecognition": "lettr",
        "BreastCancer": "Class", "Glass": "Type", "Shuttle": "Class",
    },
    "modeldata": {
        "mlc_churn": "churn", "wa_churn": "churn", "attrition": "Attrition", "credit_data": "Status",
        "ad_data": "Class", "cells": "class", "penguins": "species", "hpc_data": "class",
        "lending_club": "Class", "stackoverflow": "Remote", "scat": "Species",
        "two_class_dat": "Class",
    },
    "kernlab": {"spam": "type", "income": "INCOME", "ticdata": "CARAVAN", "musk": "Class"},
}

# Columns that name the row, and nothing else.
NAMES_OF_ROWS = {"BreastCancer": ["Id"], "cells": ["case"]}


def write(path, frame, label):
    """One set as twinlab reads it."""
    frame = frame[frame[label].notna()].copy()
    labels = frame.pop(label).astype(str)
    frame.insert(0, "label", labels)
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            text = frame[column].astype(object)
            frame[column] = [
                "" if value is None or value is pd.NA or value != value
                else str(value).replace("\t", " ")
                for value in text
            ]
    frame.to_csv(path, sep="\t", index=False, na_rep="")


def sets_of_scikit_learn(folder):
    from sklearn import datasets

    for name in ["digits", "wine", "breast_cancer", "iris"]:
        path = folder / f"{name}.tsv"
        if not path.exists():
            data = getattr(datasets, f"load_{name}")()
            frame = pd.DataFrame(data.data, columns=[str(name) for name in data.feature_names])
            frame["label"] = data.target
            write(path, frame, "label")


def lazily(folder):
    """Reads R's lazy-load database: an index of offsets, and compressed serialised objects."""
    import rdata

    index = rdata.parser.parse_data(gzip.decompress((folder / "Rdata.rdx").read_bytes()))
    offsets = rdata.conversion.convert(index)["variables"]
    rows = (folder / "Rdata.rdb").read_bytes()

    def get(name):
        offset, length = offsets[name]
        # Four bytes of length, for other methods than zlib their letter, then the object.
        method, packed = rows[offset + 4 : offset + 5], rows[offset + 5 : offset + length]
        if method == b"Z":
            filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
            data = lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=filters)
        elif method == b"2":
            data = bz2.decompress(packed)
        else:
            data = zlib.decompress(method + packed)
        return rdata.conversion.convert(rdata.parser.parse_data(data))

    return get


def sets_of_r(folder):
    import rdata

    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print("lab: without apt-get and dpkg-deb the sets of R's packages are left out", file=sys.stderr)
        return
    for package, sets in R_SETS.items():
        if all((folder / f"{name}.tsv").exists() for name in sets):
            continue
        work = folder / package
        work.mkdir(exist_ok=True)
        fetched = subprocess.run(
            ["apt-get", "download", "-qq", f"r-cran-{package}"], cwd=work, capture_output=True
        )
        if fetched.returncode != 0:
            print(f"lab: r-cran-{package} cannot be fetched, and is left out", file=sys.stderr)
            continue
        subprocess.run(["dpkg-deb", "-x", next(work.glob("*.deb")), work], check=True)
        data = work / "usr/lib/R/site-library" / package / "data"
        is_lazy = (data / "Rdata.rdx").exists()
        get = lazily(data) if is_lazy else None
        for name, label in sets.items():
            if not is_lazy:
                parsed = rdata.parser.parse_file(data / f"{name}.rda")
                frame = rdata.conversion.convert(parsed)[name]
            else:
                frame = get(name)
            frame = frame.drop(columns=NAMES_OF_ROWS.get(name, []))
            write(folder / f"{name}.tsv", frame, label)
        shutil.rmtree(work)


def passes_of(path, folder):
    """The rows in several orders, each a table of its own: both learners play the same streams."""
    names, *rows = path.read_text(encoding="utf-8").splitlines()
    count = max(1, min(10, ROWS // len(rows)))
    paths = []
    for number in range(count):
        order = rows[:]
        random.Random(number).shuffle(order)
        target = folder / f"{path.stem}.{number}.tsv"
        target.write_text("\n".join([names, *order[:ROWS_OF_A_PASS]]) + "\n", encoding="utf-8")
        paths.append(target)
    return paths


def ours(paths):
    """Wrong choices, rounds, and microseconds a decision and an update."""
    lines = subprocess.run(
        [os.environ["TWINLAB"], "bandit", *paths], check=True, capture_output=True, text=True
    ).stdout.splitlines()[1:]
    rows = [list(map(float, line.split("\t")[1:])) for line in lines]
    wrong, rounds, deciding, learning = (sum(column) for column in zip(*rows))
    return wrong / rounds, deciding / rounds, learning / rounds


def plain(text):
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def situations(frame):
    """Each row as a line of Vowpal Wabbit's format; numbers are numbers, all else is by value."""
    columns = []
    for column in frame.columns:
        present = frame[column][(frame[column] != "") & (frame[column] != "NA")]
        is_number = pd.to_numeric(present, errors="coerce").notna().all()
        columns.append((plain(column), is_number))

    def feature(name, is_number, value):
        if value in ("", "NA"):
            return f"{name}=NA"
        if not is_number:
            return f"{name}={plain(value)}"
        return f"{name}:{float(value):g}" if float(value) else ""

    for row in frame.itertuples(index=False):
        parts = [feature(name, kind, value) for (name, kind), value in zip(columns, row)]
        yield "shared |s " + " ".join(part for part in parts if part)


def theirs(paths, options):
    from vowpalwabbit import Workspace

    wrong = rounds = deciding = learning = 0
    for number, path in enumerate(paths):
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        labels = frame.pop("label")
        arms = sorted(labels.unique())
        right = [arms.index(label) for label in labels]
        chance = random.Random(number)
        vw = Workspace(f"--cb_explore_adf -q sa --quiet --random_seed {number + 1} {options}")
        for shared, label in zip(situations(frame), right):
            start = time.perf_counter()
            example = vw.parse([shared] + [f"|a a{arm}" for arm in range(len(arms))])
            chances = vw.predict(example)
            vw.finish_example(example)
            chosen = chance.choices(range(len(arms)), chances)[0]
            decided = time.perf_counter()
            cost = int(chosen != label)
            lines = [f"|a a{arm}" for arm in range(len(arms))]
            lines[chosen] = f"0:{cost}:{max(chances[chosen], 1e-6):g} {lines[chosen]}"
            example = vw.parse([shared] + lines)
            vw.learn(example)
            vw.finish_example(example)
            learning += time.perf_counter() - decided
            deciding += decided - start
            wrong += cost
            rounds += 1
        vw.finish()
    return wrong / rounds, deciding / rounds * 1e6, learning / rounds * 1e6


def bandit(wanted):
    folder = DATA / "sets"
    folder.mkdir(parents=True, exist_ok=True)
    sets_of_scikit_learn(folder)
    if not wanted:
        sets_of_r(folder)
        paths = sorted(folder.glob("*.tsv"), key=lambda path: path.stat().st_size)
    else:
        if any(not Path(name).exists() and not (folder / f"{name}.tsv").exists() for name in wanted):
            sets_of_r(folder)
        paths = [Path(name) if Path(name).exists() else folder / f"{name}.tsv" for name in wanted]
    streams = DATA / "streams"
    streams.mkdir(exist_ok=True)
    names = list(EXPLORERS)
    print("share of wrong choices; microseconds a decision + an update, ours and by default theirs")
    print(f"{'set':22} {'jumeau':>7} " + " ".join(f"{name:>8}" for name in names))
    best = by_default = 0
    for path in paths:
        passes = passes_of(path, streams)
        loss, deciding, learning = ours(passes)
        others = {name: theirs(passes, options) for name, options in EXPLORERS.items()}
        losses = [others[name][0] for name in names]
        by_default += loss <= losses[0]
        best += loss <= min(losses)
        figures = " ".join(f"{other:8.4f}" for other in losses)
        their_time = f"{others[names[0]][1]:.1f} + {others[names[0]][2]:.1f}"
        print(f"{path.stem:22} {loss:7.4f} {figures}  "
              f"{deciding:.1f} + {learning:.1f} / {their_time}", flush=True)
    print(f"at least as good as the default on {by_default} of {len(paths)} sets, "
          f"as the best of the four on {best}")


# Made campaigns: for each shape the rates of the arms and, if they are not even, their shares.
SHAPES = {
    # Like the MineThatData challenge, whose own log is not ours to ship: small differences in whom each
    # e-mail suits. With its columns renamed, the real one can be given.
    "mail": ({"mens": 0.1828, "womens": 0.1514, "control": 0.1062}, None),
    "uneven": ({"mens": 0.1828, "womens": 0.1514, "control": 0.1062}, [0.2, 0.3, 0.5]),
    # Six arms that are nearly alike.
    "close": ({f"arm{number}": rate for number, rate in enumerate([0.10, 0.11, 0.12, 0.13, 0.14, 0.155])}, None),
    # Two arms that are equally good, each for other customers.
    "cross": ({"a": 0.15, "b": 0.15, "control": 0.12}, None),
    "rare": ({"a": 0.012, "b": 0.009, "control": 0.006}, None),
    # What is known of the customers tells nothing.
    "flat": ({"a": 0.18, "b": 0.15, "control": 0.11}, None),
}


def made_campaign(path, shape, seed):
    """A campaign of a shape: 64,000 customers, of each of whom eight values are known; arms drawn by lot."""
    chance, count = np.random.default_rng(seed), 64_000
    recency = chance.integers(1, 13, count)
    history = np.exp(chance.normal(5, 1, count)).clip(29.99, 3_345).round(2)
    edges = [100, 200, 350, 500, 750, 1_000]
    kind = chance.choice(3, count, p=[0.45, 0.449, 0.101])
    mens, womens = (kind != 1).astype(int), (kind != 0).astype(int)
    area = chance.choice(["Suburban", "Urban", "Rural"], count, p=[0.449, 0.402, 0.149])
    newbie = chance.binomial(1, 0.502, count)
    channel = chance.choice(["Web", "Phone", "Multichannel"], count, p=[0.441, 0.438, 0.121])
    common = (-0.05 * recency + 0.18 * np.log(history) - 0.45 * newbie + 0.25 * (area == "Rural")
              - 0.1 * (area == "Urban") - 0.12 * (channel == "Phone") + 0.15 * mens + 0.2 * womens)
    values = [(recency - 6.5) / 3.5, np.log(history) - 5, mens - 0.55, womens - 0.55,
              (newbie - 0.5) * 2, (area == "Urban") - 0.4, (channel == "Web") - 0.44]
    rates, shares = SHAPES[shape]
    if shape in ("mail", "uneven"):
        own = {"mens": 0.1 * mens + 0.01 * recency, "womens": 0.35 * womens - 0.15 * mens}
    elif shape == "close":
        own = {name: sum(0.08 * chance.normal() * value for value in values) for name in rates}
    elif shape == "cross":
        own = {"a": 0.9 * values[3] + 0.5 * values[0], "b": -0.9 * values[3] - 0.5 * values[0]}
    elif shape == "rare":
        own = {"a": 0.2 * (mens - 0.5), "b": 0.3 * (womens - 0.5)}
    else:
        own, common = {}, 0 * common
    names = list(rates)
    shares = np.array(shares or [1 / len(names)] * len(names))
    arm = chance.choice(names, count, p=shares)
    chances = np.zeros(count)
    for name, rate in rates.items():
        # The level at which the arm has its rate.
        low, high = -12.0, 12.0
        for _ in range(60):
            level = (low + high) / 2
            of_arm = 1 / (1 + np.exp(-(level + common + own.get(name, 0))))
            low, high = (level, high) if of_arm.mean() < rate else (low, level)
        chances = np.where(arm == name, of_arm, chances)
    frame = pd.DataFrame({
        "recency": recency, "history_segment": np.searchsorted(edges, history, side="right"),
        "history": history, "mens": mens, "womens": womens, "zip_code": area, "newbie": newbie,
        "channel": channel, "action": arm, "propensity": shares[[names.index(one) for one in arm]],
        "reward": chance.binomial(1, chances),
    })
    frame["history_segment"] = "segment " + frame["history_segment"].astype(str)
    frame.to_csv(path, index=False)


def qini(uplift, treated, response):
    """The coefficient as twinlab computes it: the area over the line of a random order, in responses for
    each treated customer."""
    order = np.argsort(-uplift, kind="stable")
    with_it, happened = treated[order], response[order]
    counts = np.cumsum(with_it), np.cumsum(~with_it)
    gained = np.cumsum(happened * with_it) - np.cumsum(happened * ~with_it) * counts[0] / counts[1].clip(1)
    gained = np.concatenate([[0], gained / with_it.sum()])
    return ((gained[1:] + gained[:-1]) / 2).mean() - gained[-1] / 2


def two_models(frame, control="control"):
    """Qini coefficients of two logistic regressions, one for each arm, which did not see the half of the
    log that they rank; several halvings."""
    from sklearn.linear_model import LogisticRegression

    context = pd.get_dummies(frame.drop(columns=["action", "propensity", "reward"]), dtype=float)
    context = (context - context.mean()) / context.std()
    found = {}
    for action in sorted(set(frame["action"]) - {control}):
        of = frame["action"].isin([action, control]).to_numpy()
        x, y = context[of].to_numpy(), frame["reward"][of].to_numpy()
        treated = (frame["action"][of] == action).to_numpy()
        found[action] = []
        for seed in range(5):
            half = np.random.default_rng(seed).permutation(len(y)) % 2 == 0
            coefficients = []
            for known in [half, ~half]:
                models = [LogisticRegression(max_iter=1_000).fit(x[known & arm], y[known & arm])
                          for arm in [treated, ~treated]]
                with_it, without = (model.predict_proba(x[~known])[:, 1] for model in models)
                coefficients.append(qini(with_it - without, treated[~known], y[~known]))
            # Each half has an order of its own: in one for both, the half with more responses by chance
            # would come last, because the models of the other half expect fewer.
            found[action].append(np.mean(coefficients))
    return found


def campaign(paths):
    """What twinlab says about a log, beside two logistic regressions; `mail:301` is a made one."""
    DATA.mkdir(parents=True, exist_ok=True)
    logs = []
    for path in paths or ["mail:301"]:
        shape, _, seed = str(path).partition(":")
        if shape in SHAPES and seed.isdigit():
            path = DATA / f"campaign-{shape}-{seed}.csv"
            if not path.exists():
                made_campaign(path, shape, int(seed))
        logs.append(path)
    for path in logs:
        subprocess.run([os.environ["TWINLAB"], "campaign", path], check=True)
        frame = pd.read_csv(path)
        if "control" not in set(frame["action"]):
            continue
        print("\nQini coefficients of two logistic regressions: mean, least and greatest of five halvings")
        for action, found in two_models(frame).items():
            print(f"  {np.mean(found):.5f}  {min(found):.5f}  {max(found):.5f}  {action}")


OBP = "obp==0.5.7"


def obp(folder):
    """The estimators of obp, and its folder. Its own start would import torch, which they name in
    annotations only."""
    target = folder / "obp"
    if not target.exists():
        work = folder / "sdist"
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:",
                 "--ignore-requires-python", OBP, "--dest", work]
        subprocess.run(fetch, check=True)
        with tarfile.open(next(work.glob("*.tar.gz"))) as archive:
            archive.extractall(work, filter="data")
        shutil.move(next(work.glob("obp-*/obp")), target)
        shutil.rmtree(work)
    torch = types.ModuleType("torch")
    torch.Tensor = torch.tensor = type("Tensor", (), {})
    sys.modules["torch"] = torch
    for name, path in [("obp", target), ("obp.ope", target / "ope")]:
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    return importlib.import_module("obp.ope.estimators"), target


def chances_of_thompson(priors, shown, draws=100_000):
    """How likely Thompson sampling with these beta priors shows each item at each position."""
    chance = np.random.default_rng(12_345)
    alpha, beta = (np.array(priors[name], dtype=float) for name in ["alpha", "beta"])
    counts = np.zeros((len(alpha), shown))
    best = np.argsort(-chance.beta(alpha, beta, size=(draws, len(alpha))), axis=1)[:, :shown]
    for position in range(shown):
        counts[:, position] = np.bincount(best[:, position], minlength=len(alpha))
    return counts / draws


def priors_of(path):
    """The beta priors of each campaign; all that there is in the file are lists of numbers."""
    found, campaign, name = {}, None, None
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith("- "):
            found[campaign][name].append(float(text[2:]))
        elif line.startswith(" "):
            name = text.rstrip(":")
            found[campaign][name] = []
        elif text:
            campaign = text.rstrip(":")
            found[campaign] = {}
    return found


def evaluate():
    """The Thompson sampling policy that ran beside, estimated from the logs of the random one."""
    DATA.mkdir(parents=True, exist_ok=True)
    estimators, folder = obp(DATA)
    priors = priors_of(folder / "policy/conf/prior_bts.yaml")
    table = {"IPS": estimators.InverseProbabilityWeighting(),
             "SNIPS": estimators.SelfNormalizedInverseProbabilityWeighting(),
             "DM": estimators.DirectMethod(), "DR": estimators.DoublyRobust()}
    print("what Thompson sampling would have come to, in clicks a show, from 10,000 random shows")
    print(f"{'campaign':9} {'estimator':10} {'jumeau':>15} {'obp':>15} {'difference':>11}   "
          "95% interval        seen")
    for campaign in ["all", "men", "women"]:
        log = pd.read_csv(folder / f"dataset/obd/random/{campaign}/{campaign}.csv")
        real = pd.read_csv(folder / f"dataset/obd/bts/{campaign}/{campaign}.csv")["click"].mean()
        position = log["position"].to_numpy() - 1
        action, reward = log["item_id"].to_numpy(), log["click"].to_numpy()
        chances = chances_of_thompson(priors[campaign], 3)
        # What a model expects: the clicks of each item, drawn towards those of all as by 100 shows.
        clicks = np.bincount(action, reward, minlength=len(chances))
        shows = np.bincount(action, minlength=len(chances))
        model = (clicks + 100 * reward.mean()) / (shows + 100)
        per_position = chances / chances.sum(axis=0)
        frame = pd.DataFrame({
            "reward": reward,
            "logged": log["propensity_score"],
            "target": per_position[action, position],
            "expected": model[action],
            "expected_of_target": (per_position * model[:, None]).sum(axis=0)[position],
        })
        path = DATA / f"obd-{campaign}.tsv"
        frame.to_csv(path, sep="\t", index=False)
        lines = subprocess.run([os.environ["TWINLAB"], "evaluate", path], check=True,
                               capture_output=True, text=True).stdout.splitlines()[1:]
        rounds = len(log)
        distribution = np.broadcast_to(per_position, (rounds, *per_position.shape))
        expectations = np.broadcast_to(model[None, :, None], distribution.shape)
        for line in lines:
            name, value, low, high, _ = line.split("\t")
            theirs = table[name].estimate_policy_value(
                reward=reward, action=action, position=position,
                pscore=log["propensity_score"].to_numpy(), action_dist=distribution,
                estimated_rewards_by_reg_model=expectations,
            )
            print(f"{campaign:9} {name:10} {float(value):15.12f} {theirs:15.12f} "
                  f"{abs(float(value) - theirs):11.1e}   {low} to {high}  {real:.6f}")


def main():
    command, *rest = sys.argv[1:] or ["help"]
    if command == "bandit":
        bandit(rest)
    elif command == "evaluate":
        evaluate()
    elif command == "campaign":
        campaign(rest)
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main()
