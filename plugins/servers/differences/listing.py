"""Questions about keys and pages of them."""

import bisect
import concurrent.futures
import urllib.parse

from questions import question


def listed(client, prefix, **query):
    """What a page has, in the order of the answer's parts: keys, then common prefixes, both without the prefix."""
    answer = client.call("GET", query={"list-type": "2", "prefix": prefix, **query})
    if answer.status != 200:
        return answer.said()
    names = answer.texts("Contents/Key") + answer.texts("CommonPrefixes/Prefix")
    if query.get("encoding-type"):
        names = [urllib.parse.unquote_plus(name) for name in names]
    return " ".join(name.removeprefix(prefix) for name in names) or "nothing"


def fill(client, prefix, *names):
    for name in names:
        client.call("PUT", prefix + name, body=b"x")


@question("`start-after=a/` with a delimiter, over `a/1 a/2 b/1 c`")
def start_after_prefix(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b/1", "c")
    return listed(client, prefix, **{"delimiter": "/", "start-after": prefix + "a/"})


@question("the same, `start-after=a/1`")
def start_after_inside(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b/1", "c")
    return listed(client, prefix, **{"delimiter": "/", "start-after": prefix + "a/1"})


@question("the same, `start-after=a/~`")
def start_after_end(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b/1", "c")
    return listed(client, prefix, **{"delimiter": "/", "start-after": prefix + "a/~"})


@question("the same, `start-after=a/` and `max-keys=1`")
def start_after_one(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b/1", "c")
    return listed(client, prefix, **{"delimiter": "/", "start-after": prefix + "a/", "max-keys": "1"})


def pages(client, prefix, **query):
    found, token = [], {}
    for _ in range(20):
        answer = client.call("GET", query={"list-type": "2", "prefix": prefix, **query, **token})
        if answer.status != 200:
            return [*found, answer.said()]
        names = answer.texts("Contents/Key") + answer.texts("CommonPrefixes/Prefix")
        found.append("+".join(name.removeprefix(prefix) for name in names) or "(empty)")
        if answer.text("IsTruncated") != "true":
            return found
        token = {"continuation-token": answer.text("NextContinuationToken")}
    return [*found, "and no end"]


@question("pages of `max-keys=1` with a delimiter, over `a/1 a/2 b c/1 d`")
def pages_of_one(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b", "c/1", "d")
    return " · ".join(pages(client, prefix, **{"delimiter": "/", "max-keys": "1"}))


@question("pages of `max-keys=2` without one")
def pages_of_two(client, prefix):
    fill(client, prefix, "a/1", "a/2", "b", "c/1", "d")
    return " · ".join(pages(client, prefix, **{"max-keys": "2"}))


@question("order of `a-b a/b a.b a0` (in bytes: `a-b a.b a/b a0`)")
def order(client, prefix):
    fill(client, prefix, "a/b", "a-b", "a0", "a.b")
    return listed(client, prefix)


@question("the same with a delimiter: order over two pages of 2")
def order_of_pages(client, prefix):
    fill(client, prefix, "a/b", "a-b", "a0", "a.b")
    return " · ".join(pages(client, prefix, **{"delimiter": "/", "max-keys": "2"}))


@question("keys in a page of `max-keys=10000` over 1,001")
def largest_page(client, prefix):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: fill(client, prefix, f"{number:04}"), range(1001)))
    answer = client.call("GET", query={"list-type": "2", "prefix": prefix, "max-keys": "10000"})
    return f"{len(answer.texts('Contents/Key'))}, truncated: {answer.text('IsTruncated')}" if answer.status == 200 else answer.said()


ODD_NAMES = ["!", "%41", "+", "=", "@", "~", ",", "-", "_", "a b", "'()*", "ü"]


@question("keys `! %41 + = @ ~ , - _`, a space, `'()*`, `ü` listed back")
def odd_names(client, prefix):
    fill(client, prefix, *ODD_NAMES)
    return compare_names(client, prefix)


@question("the same with `encoding-type=url`, decoded with `+` for a space")
def odd_names_encoded(client, prefix):
    fill(client, prefix, *ODD_NAMES)
    return compare_names(client, prefix, **{"encoding-type": "url"})


def compare_names(client, prefix, **query):
    answer = client.call("GET", query={"list-type": "2", "prefix": prefix, **query})
    names = answer.texts("Contents/Key")
    if query:
        names = [urllib.parse.unquote_plus(name) for name in names]
    names = {name.removeprefix(prefix) for name in names}
    absent, strange = set(ODD_NAMES) - names, names - set(ODD_NAMES)
    return "all" if not absent and not strange else f"lacks {sorted(absent)}, has {sorted(strange)}"


@question("how `+ ~ %41 a b` come with `encoding-type=url`")
def encoding(client, prefix):
    fill(client, prefix, "+", "~", "%41", "a b")
    answer = client.call("GET", query={"list-type": "2", "prefix": prefix, "encoding-type": "url"})
    return " ".join(f"`{name.removeprefix(prefix).removeprefix(urllib.parse.quote(prefix, safe=''))}`" for name in answer.texts("Contents/Key"))


@question("objects `a` and `a/b` at once: second PUT, then the first's GET")
def nested(client, prefix):
    client.call("PUT", prefix + "a", body=b"outer")
    second = client.call("PUT", prefix + "a/b", body=b"inner")
    return f"{second.said()}, {client.call('GET', prefix + 'a').said()}"


def long_name(length):
    """Components of 200 bytes, and what is left."""
    return "/".join(["k" * 200] * 6)[: length - 1] + "k"


def longest(takes, low, high):
    """The largest number from `low` to `high` that `takes`, if it takes all smaller ones."""
    return str(low - 1 + bisect.bisect_left(range(low, high + 1), True, key=lambda length: not takes(length)))


@question("bytes of the longest key, of 1,024, that PutObject takes")
def longest_key(client, prefix):
    def takes(length):
        return client.call("PUT", prefix + long_name(length - len(prefix)), body=b"x").status == 200

    return longest(takes, len(prefix) + 1, 1024)


@question("a key of 1,025 bytes: PutObject / GetObject")
def too_long_key(client, prefix):
    key = prefix + long_name(1025 - len(prefix))
    return f"{client.call('PUT', key, body=b'x').said()} / {client.call('GET', key).said()}"


@question("bytes of the longest component, of 255, below a prefix of 45")
def longest_component(client, prefix):
    return longest(lambda length: client.call("PUT", prefix + "k" * length, body=b"x").status == 200, 1, 255)


@question("what a listing shows of an open upload, and of a prefix whose last key is deleted")
def hidden(client, prefix):
    upload = client.create(prefix + "open")
    client.part(prefix + "open", upload, 1, b"x")
    during = listed(client, prefix)
    client.abort(prefix + "open", upload)
    fill(client, prefix, "a/b/c")
    client.call("DELETE", prefix + "a/b/c")
    return f"{during}; {listed(client, prefix, delimiter='/')}"
