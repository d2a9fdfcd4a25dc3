"""Asks S3 servers the same questions and shows their answers beside one another, as a table in Markdown.

    python3 plugins/servers/differences [--compare DOCUMENT] NAME=FOLDER...

Each FOLDER is one in which a script here started a server. docs/s3-servers.md holds what came out; with `--compare` the answers are those of its
table, column by column, or the exit code is 1 and the others are shown.
"""

import argparse
import pathlib
import sys
import uuid

import listing  # noqa: F401 - each import adds its questions
import objects  # noqa: F401
import uploads  # noqa: F401
import questions
from client import Client


def client_of(folder):
    env = dict(line.split("=", 1) for line in (pathlib.Path(folder) / "env").read_text().splitlines())
    return Client(env["ENDPOINT"], env["REGION"], env["BUCKET"], env["ACCESS_KEY"], env["SECRET_KEY"])


def ask(function, client):
    try:
        return function(client, f"differences/{uuid.uuid4().hex}/")
    except Exception as error:  # An answer that cannot be understood is an answer.
        return f"{type(error).__name__}: {error}"


def row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table_in(document):
    """The cells of the document's table of questions: by question, then by server."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in document.read_text().splitlines() if line.startswith("| ")]
    head = next(line for line in lines if line[0] == "question")
    return {line[0]: dict(zip(head, line)) for line in lines if len(line) == len(head)}


def show(servers):
    print(row(["question", *servers]))
    print("|" + "---|" * (1 + len(servers)))
    for text, function in questions.ALL:
        print(row([text, *(ask(function, client) for client in servers.values())]), flush=True)


def compare(servers, document):
    """The number of answers that are not the document's."""
    told, others = table_in(document), 0
    for text, function in questions.ALL:
        if text.endswith(questions.VARIES):
            continue
        for name, client in servers.items():
            answer, expected = ask(function, client), told.get(text, {}).get(name, "nothing")
            if answer != expected:
                others += 1
                print(f"{name}, {text}: {document} tells {expected!r}, and it answers {answer!r}")
    print(f"{len(questions.ALL)} questions to {', '.join(servers)}: {others} answers that are not those of {document}")
    return others


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", type=pathlib.Path, metavar="DOCUMENT")
    parser.add_argument("servers", nargs="+", metavar="NAME=FOLDER", type=lambda text: text.split("=", 1))
    arguments = parser.parse_args()
    servers = {name: client_of(folder) for name, folder in arguments.servers}
    if arguments.compare:
        sys.exit(1 if compare(servers, arguments.compare) else 0)
    show(servers)


main()
