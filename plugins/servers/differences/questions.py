"""The questions, in the order in which they are answered.

A question is a function that is given a client and a prefix of its own and returns its answer as text; nothing here judges.
"""

MIB = 1 << 20
PART = b"\x5a" * (5 * MIB)  # the smallest part that may have another one after it
ALL = []
VARIES = " (varies)"


def question(text, varies=False):
    """Makes a question of a function; `text` is its row's title. An answer that varies from run to run is not compared."""

    def keep(function):
        ALL.append((text + VARIES if varies else text, function))
        return function

    return keep
