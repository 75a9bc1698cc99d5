"""Writes the manual page of a program that is made with swift-argument-parser, from what it says of itself.

    homing --experimental-dump-help | python3 manual.py DATE VERSION > homing.1
"""

import json
import sys


def text(words: str) -> str:
    """Plain text as roff takes it."""
    lines = []
    for line in words.replace("\\", "\\e").replace("-", "\\-").split("\n"):
        lines.append("\\&" + line if line[:1] in (".", "'") else line)
    return "\n".join(lines)


def paragraphs(words: str) -> list[str]:
    """Prose as paragraphs; indented lines, which are examples, as they are."""
    out, in_example = [], False
    for line in words.rstrip().split("\n"):
        is_example = line.startswith("  ")
        if is_example and not in_example:
            out.append(".PP\n.RS 4\n.nf")
        if not is_example and in_example:
            out.append(".fi\n.RE\n.PP")
        in_example = is_example
        if not line.strip():
            out.append(".PP")
        else:
            out.append(text(line.strip() if not is_example else line[2:]))
    if in_example:
        out.append(".fi\n.RE")
    return out


def argument(entry: dict) -> list[str]:
    """One flag, option or argument."""
    names = []
    for name in entry.get("names") or []:
        dashes = "--" if name["kind"] == "long" else "-"
        names.append("\\fB" + text(dashes + name["name"]) + "\\fR")
    value = "\\fI" + text(entry.get("valueName", "value")) + "\\fR"
    head = ", ".join(names) if names else value
    if names and entry["kind"] == "option":
        head += " " + value
    if entry.get("isRepeating"):
        head += " ..."
    out = [".TP", head]
    said = [entry.get("abstract", ""), entry.get("discussion", "")]
    default = entry.get("defaultValue")
    if default and "efault" not in " ".join(said):
        said.append(f"Default: {default}.")
    out.append(text(" ".join(" ".join(each.split()) for each in said if each)) or "\\&")
    return out


def arguments(command: dict) -> list[dict]:
    hidden = {"help", "version"}
    return [
        entry
        for entry in command.get("arguments", [])
        if entry.get("shouldDisplay", True) and entry.get("valueName") not in hidden
    ]


def main(date: str, version: str):
    command = json.load(sys.stdin)["command"]
    name = command["commandName"]
    page = [f'.TH {name.upper()} 1 "{date}" "{name} {version}" "User Commands"', ".ad l", ".SH NAME"]
    abstract = command["abstract"].rstrip(".")
    page += [f"{name} \\- {text(abstract[:1].lower() + abstract[1:])}", ".SH SYNOPSIS"]
    page += [f"\\fB{name}\\fR \\fIcommand\\fR [\\fIoption\\fR ...]", ".SH DESCRIPTION"]
    page += paragraphs(command.get("discussion", ""))
    page += [".SH COMMANDS"]
    for each in command.get("subcommands", []):
        if each["commandName"] == "help" or not each.get("shouldDisplay", True):
            continue
        page += [f".SS {name} {text(each['commandName'])}", text(each.get("abstract", ""))]
        if each.get("discussion"):
            page += [".PP", *paragraphs(each["discussion"])]
        for entry in arguments(each):
            page += argument(entry)
        for nested in each.get("subcommands", []):
            if nested["commandName"] == "help" or not nested.get("shouldDisplay", True):
                continue
            page += [f".SS {name} {text(each['commandName'])} {text(nested['commandName'])}"]
            page += [text(nested.get("abstract", ""))]
            if nested.get("discussion"):
                page += [".PP", *paragraphs(nested["discussion"])]
            for entry in arguments(nested):
                page += argument(entry)
    page += [".SH SIGNALS"]
    for signal, meaning in (
        ("SIGTERM, SIGINT", "Callers are told, open streams may end, then the process does."),
        ("SIGHUP", "What may change while the process runs is read again, and the access log's file opened anew."),
        ("SIGUSR2", "The program that is installed now takes over the listening sockets; this process finishes what it is at."),
    ):
        page += [".TP", f"\\fB{signal}\\fR", text(meaning)]
    page += [".SH FILES", ".TP", "\\fI/etc/homing/homing.yaml\\fR"]
    page += [f"The settings of the service. \\fB{name} check\\-config \\-\\-reference\\fR prints every key."]
    page += [".SH SEE ALSO", "\\fI/usr/share/doc/homing/\\fR, \\fBsystemctl\\fR(1)"]
    print("\n".join(page))


if __name__ == "__main__":
    main(*sys.argv[1:])
