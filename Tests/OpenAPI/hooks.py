"""What the description of the HTTP interface says in words, and JSON Schema cannot say, for schemathesis."""

import json

import schemathesis
from hypothesis import strategies as st

# "1 to 64 bytes": JSON Schema counts characters.
names = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64)
    .filter(lambda name: len(name.encode()) <= 64 and name.strip(" ") == name)
)
schemathesis.openapi.format("tally-name", names)

clients = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True).filter(
    lambda name: name not in ("system", "tally")
)
events = st.fixed_dictionaries(
    {"clientName": clients, "testID": names, "variation": names}, optional={"event": names, "eventID": names}
)
items = st.builds(
    lambda event, count: {**event, **count}, events, st.fixed_dictionaries({}, optional={"count": st.integers(1, 1_000_000)})
)
batches = st.lists(items, min_size=1, max_size=20)


def encoded(value):
    return json.dumps(value, ensure_ascii=False).encode()


# Bodies whose form is a matter of their text.
schemathesis.openapi.media_type("text/plain", st.one_of(events, batches).map(encoded))
schemathesis.openapi.media_type(
    "application/x-ndjson", batches.map(lambda batch: b"\n".join(encoded(item) for item in batch))
)


@schemathesis.hook
def before_load_schema(_context, schema):
    """Examples of bodies whose form is a matter of their text: such a body is bytes here, which JSON has not."""
    for media_type in ("text/plain", "application/x-ndjson"):
        del schema["paths"]["/track"]["post"]["requestBody"]["content"][media_type]["example"]


@schemathesis.hook
def filter_body(context, body):
    """A count is written in digits alone; 7.0 is a whole number, too, to JSON Schema."""
    return not (
        isinstance(body, list)
        and any(isinstance(item, dict) and isinstance(item.get("count"), float) for item in body)
    )
