"""Runs the README's first commands in a terminal, and draws what they print as an SVG picture.

Used by tools/picture, which says when to run it. Needs nothing but Python and the built programs. What
differs from run to run (times, identifiers) is replaced, so that the picture changes only if its content does.
"""

import fcntl
import html
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

WIDTH = 120
# Of longer output the beginning is shown, and `…`.
MOST_LINES = {"twinctl show": 14, "twinctl why": 20, "twinctl escalations": 10}
PATIENCE_SECONDS = 120

# Of the replaced text only the width stays.
VARYING = [
    (re.compile(r"d[0-9a-f]{32}"), "d3745f471a180f5a82bfb8dc53f7ac83e"),
    (re.compile(r"cli-[0-9a-f]+-[0-9a-f]+"), "cli-18ed0c7be1a0c3f2-4711"),
    (re.compile(r"(?<=JUMEAU_EVENTS #)\d+"), "78"),
    (re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"), "2026-12-01 10:00:00"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "2026-12-01T10:00:00Z"),
    (re.compile(r"in (119|120) min"), "in 119 min"),
    (re.compile(r"nats://127\.0\.0\.1:\d+"), "nats://127.0.0.1:4222"),
]

# One Dark: readable on GitHub's light and dark pages alike.
BACKGROUND, FOREGROUND, FRAME = "#1e222a", "#d7dae0", "#3b4048"
COLOURS = {
    30: "#5c6370", 31: "#e06c75", 32: "#98c379", 33: "#e5c07b",
    34: "#61afef", 35: "#c678dd", 36: "#56b6c2", 37: "#d7dae0",
}
DIMMED = "#8b92a0"
ELLIPSIS = f"{chr(27)}[2m…{chr(27)}[0m"
COLUMN, ROW, SIZE, MARGIN = 7.83, 17, 13, 16


def in_terminal(command: list[str], env: dict[str, str], folder: str) -> tuple[subprocess.Popen, int]:
    """Starts a command in a terminal of its own; returns it and the terminal's other end."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=env, cwd=folder, start_new_session=True
    )
    os.close(its)
    return process, ours


def read(terminal: int, until: str | None = None) -> str:
    """What is printed there, until these words or the end."""
    printed = b""
    while until is None or until.encode() not in printed:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # The other end is closed.
            part = b""
        if not part:
            break
        printed += part
    return printed.decode().replace("\r\n", "\n")


def readme_commands(readme: str) -> list[str]:
    """The commands of the README that its test runs, without their comments."""
    blocks = re.findall(r"^```sh run\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [re.split(r"\s+# ", line)[0].strip() for line in lines]


def settle(env: dict[str, str], folder: str) -> None:
    """Waits until the service has processed everything that was published."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        asked = subprocess.run(["twinctl", "stats", "--json"], env=env, cwd=folder, capture_output=True)
        if asked.returncode == 0:
            stats = json.loads(asked.stdout)
            if stats["lag"] == 0 and all(p["outbox"] == p["in_flight"] == 0 for p in stats["partitions"]):
                return
        time.sleep(0.05)
    sys.exit("the service does not process what was published")


def recorded(programs: pathlib.Path, commands: list[str]) -> list[tuple[str, str]]:
    """Each command with what it prints."""
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm-256color", "COLORTERM": ""}
    env.pop("NO_COLOR", None)
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        dev = ["jumeau", "dev", "--story", "bank", "--port", "0"]
        service, terminal = in_terminal(dev, env, folder)
        try:
            printed = read(terminal, until="Ctrl-C ends it.")
            plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
            address = re.search(r"is up on (nats://[0-9.:]+)", plain)
            if address is None:
                sys.exit(f"the service does not start:\n{printed}")
            env["NATS_URL"] = address[1]
            shown.append(("tools/run", printed))
            for command in commands:
                if not command.startswith("twinctl "):
                    continue
                settle(env, folder)
                process, ours = in_terminal(["bash", "-c", command], env, folder)
                printed = read(ours)
                os.close(ours)
                if process.wait() != 0:
                    sys.exit(f"`{command}` fails:\n{printed}")
                shown.append((command, printed))
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(PATIENCE_SECONDS)
            os.close(terminal)
    return shown


def spans(line: str) -> list[tuple[int, str, str]]:
    """The parts of a line: column, style, text."""
    parts, column = [], 0
    colour, is_bold, is_dimmed = None, False, False
    for text, codes in re.findall(r"([^\x1b]*)(?:\x1b\[([0-9;]*)m)?", line):
        if text:
            fill = colour or (DIMMED if is_dimmed else None)
            style = (f' fill="{fill}"' if fill else "") + (' font-weight="bold"' if is_bold else "")
            parts.append((column, style, text))
            column += len(text)
        for code in (int(code or 0) for code in codes.split(";")):
            if code == 0:
                colour, is_bold, is_dimmed = None, False, False
            elif code == 1:
                is_bold = True
            elif code == 2:
                is_dimmed = True
            elif code in COLOURS or code - 60 in COLOURS:
                colour = COLOURS.get(code) or COLOURS[code - 60]
            elif code == 39:
                colour = None
    return parts


def cut(line: str) -> str:
    """A line as wide as the picture."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    if len(plain) <= WIDTH:
        return line
    kept, width = "", 0
    for escape, char in re.findall(r"(\x1b\[[0-9;]*m)|(.)", line):
        if char and (width := width + 1) >= WIDTH:
            return kept + "…\x1b[0m"
        kept += escape or char
    return kept


def first_action(output: list[str]) -> list[str]:
    """Of what tools/run prints: that it is up, and the first action with the event before it."""
    at = next((at for at, line in enumerate(output) if "▶" in line), None)
    if at is None:
        sys.exit("the stories lead to no action")
    return [output[0], ELLIPSIS, *output[at - 1 : at + 4], ELLIPSIS]


def lines(command: str, printed: str) -> list[str]:
    """A command and what it prints, as the picture shows them."""
    for pattern, same in VARYING:
        printed = pattern.sub(same, printed)
    output = printed.rstrip().split("\n")
    if command == "tools/run":
        output = first_action(output)
    most = next((most for name, most in MOST_LINES.items() if command.startswith(name)), len(output))
    if len(output) > most:
        output = [*output[:most], ELLIPSIS]
    return [f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m", *output, ""]


def picture(shown: list[tuple[str, str]]) -> str:
    """The picture of a session."""
    rows = [cut(line) for command, printed in shown for line in lines(command, printed)][:-1]
    width, height = round(WIDTH * COLUMN + 2 * MARGIN), len(rows) * ROW + 2 * MARGIN
    out = [
        "<!-- Generated by tools/picture from the README's commands; do not edit. -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' role="img">',
        "<title>The first minutes with jumeau, in a terminal</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}" stroke="{FRAME}"/>',
        "<g font-family=\"Menlo, Consolas, 'DejaVu Sans Mono', monospace\""
        f' font-size="{SIZE}" fill="{FOREGROUND}">',
    ]
    for number, row in enumerate(rows):
        y = MARGIN + number * ROW + SIZE
        parts = []
        for column, style, text in spans(row):
            # Each part is as wide as its columns, whatever the font.
            blank = len(text) - len(text.lstrip(" "))
            text, column = text.strip(" "), column + blank
            if text:
                x, length = MARGIN + column * COLUMN, len(text) * COLUMN
                parts.append(
                    f'<tspan x="{x:.1f}" textLength="{length:.1f}"{style}>{html.escape(text, quote=False)}</tspan>'
                )
        if parts:
            out.append(f'<text y="{y}" xml:space="preserve">{"".join(parts)}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def main(programs: str, target: str) -> None:
    commands = readme_commands(pathlib.Path("README.md").read_text())
    if commands[0] != "tools/run":
        sys.exit(f"expected that the README begins with tools/run, found {commands[0]}")
    text = picture(recorded(pathlib.Path(programs).resolve(), commands[1:]))
    path = pathlib.Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f"{path}: {len(text.encode())} bytes")


main(*sys.argv[1:])
