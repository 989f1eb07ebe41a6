"""Scope: each rule with what it must see and what it must not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.contract.scope import LEXICON_VERSION, MAX_VOLUME, UNBOUNDED, derive, tokens

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"


def volume(tool: str, **arguments: Any) -> int:
    return derive(tool, arguments)[0]


def sensitivity(tool: str, **arguments: Any) -> int:
    return derive(tool, arguments)[1]


def test_lexicon_is_versioned() -> None:
    assert LEXICON_VERSION == "1.0"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maxResults", "max results"),
        ("max_results", "max results"),
        ("max-results", "max results"),
        ("MAX_RESULTS", "max results"),
        ("HTTPServer", "http server"),
        ("pageSize2", "page size"),
        ("userIDs", "user ids"),
        ("getURLs", "get urls"),
        ("api.v2 key", "api v key"),
        ("müşteriAdı", "müşteri adı"),
        ("", ""),
        ("__1__", ""),
    ],
)
def test_names_are_split_into_words(name: str, words: str) -> None:
    assert " ".join(tokens(name)) == words


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("search_products", {"limit": 50}, 50),
        ("searchProducts", {"maxResults": 50}, 50),
        ("get_records", {"num_records": 7}, 7),
        ("list.files", {"number-of-files": 7}, 7),
        ("retrieve_docs", {"top_k": 5}, 5),
        ("send_emails", {"count": 12}, 12),
        ("export_table", {"rows": 900}, 900),
        ("delete_messages", {"batchSize": 100}, 100),
        ("tail", {"lines": 20}, 20),
        ("top_artists", {"limit": 9}, 9),
        ("get_page", {"params": {"filter": [{"limit": 30}]}}, 30),
        ("list_items", {"limit": 5_000_000}, MAX_VOLUME),
        ("list_items", {"limit": 0}, 1),
        ("list_items", {"limit": -7}, 1),
        ("list_items", {"limit": "50"}, 1),
        ("list_items", {"limit": 50.0}, 1),
        ("list_items", {"limit": True}, 1),
        ("list_items", {"count": False}, 1),
        ("list_items", {"limit": [50]}, 1),
        ("find_games", {"num_players": 4}, 1),
        ("find_games", {"budget_limit": 4000, "max": 9000, "limitless": 9}, 1),
        ("search_flights", {"adults": 4, "year": 2024}, 1),
        ("calculate_sum", {"n": 40}, 1),
        ("calculate_list_average", {"count": 40}, 1),
        ("create_post", {"limit": 40}, 1),
        ("factorial", {"n": 40}, 1),
        ("forget_it", {"limit": 40}, 1),
        ("listen", {"limit": 40}, 1),
    ],
)
def test_a_quantity_counts_under_a_verb_that_touches_things(
    tool: str, arguments: dict[str, Any], expected: int
) -> None:
    assert derive(tool, arguments)[0] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"page_size": 100, "pages": 5}, 500),
        ({"perPage": 100, "numPages": 5}, 500),
        ({"pages": 5, "page_size": 100}, 500),
        ({"page_size": 100, "page": 5}, 100),
        ({"page_size": 1_000_000, "pages": 1_000_000}, MAX_VOLUME),
        ({"page_size": -1, "pages": 5}, UNBOUNDED),
        ({"page_size": 100, "pages": 0}, 100),
        ({"page_size": 100, "other": {"pages": 5}}, 100),
        ({"pages": 5}, 5),
    ],
)
def test_page_size_times_pages(arguments: dict[str, Any], expected: int) -> None:
    assert derive("list_users", arguments)[0] == expected


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("list_users", {"limit": -1}, UNBOUNDED),
        ("list_users", {"limit": None}, UNBOUNDED),
        ("list_users", {"max_results": None}, UNBOUNDED),
        ("list_users", {"count": -1}, UNBOUNDED),
        ("list_users", {"count": None}, 1),
        ("list_users", {"offset": -1, "filter": None}, 1),
        ("calculate", {"limit": -1}, 1),
        ("list_users", {"name": "*"}, UNBOUNDED),
        ("find_rows", {"name": "%"}, UNBOUNDED),
        ("delete_files", {"files": ["*"]}, UNBOUNDED),
        ("find_files", {"glob": "*.txt"}, 1),
        ("find_files", {"text": "100 %"}, 1),
        ("calculate", {"operator": "*"}, 1),
        ("convert", {"to_unit": "%"}, 1),
        ("rm", {"recursive": True}, UNBOUNDED),
        ("rm", {"options": {"isRecursive": True}}, UNBOUNDED),
        ("rm", {"recursive": False}, 1),
        ("rm", {"recursive": "true"}, 1),
        ("rm", {"recursive": 1}, 1),
        ("fetch", {"all": True}, UNBOUNDED),
        ("fetch", {"includeAll": True}, UNBOUNDED),
        ("fetch", {"all_users": True}, UNBOUNDED),
        ("fetch", {"all": "entire"}, 1),
        ("create_event", {"all_day": True}, 1),
        ("book_hotel", {"allInclusive": True}, 1),
        ("fetch", {"overall": True, "callback": True, "allocate": True, "wall": True, "small": True}, 1),
    ],
)
def test_unbounded_calls(tool: str, arguments: dict[str, Any], expected: int) -> None:
    assert derive(tool, arguments)[0] == expected


@pytest.mark.parametrize(
    ("tool", "key", "text", "expected"),
    [
        ("run", "q", "SELECT name FROM users", UNBOUNDED),
        ("run", "q", "  SELECT a,\n b FROM t JOIN s ON x = y", UNBOUNDED),
        ("run", "q", "DELETE FROM users", UNBOUNDED),
        ("run", "q", "UPDATE users SET a = 1", UNBOUNDED),
        ("run", "q", "TRUNCATE TABLE users", UNBOUNDED),
        ("run", "q", "select * from users", UNBOUNDED),
        ("run", "sql", "select name from users", UNBOUNDED),
        ("db.execute", "text", "select credit_limit from users", UNBOUNDED),
        ("run", "q", "SELECT name FROM users WHERE id = 1", 1),
        ("run", "q", "SELECT name FROM users\nlimit 10", 1),
        ("run", "q", "DELETE FROM users WHERE id = 1", 1),
        ("run", "q", "INSERT INTO users VALUES (1)", 1),
        ("run", "q", "SELECT 1 + 1 AS x", 1),
        ("run", "q", "Select one from these seats", 1),
        ("run", "q", "update me on the set", 1),
        ("run", "q", "deleted from my list", 1),
    ],
)
def test_sql_without_a_bound(tool: str, key: str, text: str, expected: int) -> None:
    assert derive(tool, {key: text})[0] == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        *((key, 3) for key in ("ids", "id", "user_ids", "userIDs", "recipients", "to", "cc", "files", "file_paths")),
        *((key, 3) for key in ("symbols", "tickers", "id_list", "company_names", "files_to_delete", "recipient")),
        *((key, 1) for key in ("numbers", "tags", "columns", "profiles", "grids", "user_preferences", "tomatoes")),
    ],
)
def test_a_list_of_things_is_as_large_as_it_is_long(key: str, expected: int) -> None:
    assert volume("anything", **{key: ["a", "b", "c"]}) == expected
    assert volume("anything", nested=[{"deep": {key: [1, 2, 3]}}]) == expected
    assert volume("anything", **{key: "a,b,c"}) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((key, 5) for key in ("password", "userPassword", "passwords", "api_key", "apiKeys", "API-KEY", "x.apikey")),
        *((key, 5) for key in ("private_key", "cvv", "access_token", "slack_token", "token", "client_secret", "pin")),
        *((key, 5) for key in ("credit_card_number", "cardNumber", "otp", "credentials", "secretAccessKey")),
        *((key, 4) for key in ("salary", "iban", "bank_name", "invoice_id", "credit_card", "loanAmount", "payments")),
        *(
            (key, 4)
            for key in (
                "patient_id",
                "diagnosis",
                "medication",
                "symptoms",
                "lawsuit",
                "passport_number",
                "ssn",
            )
        ),
        *((key, 3) for key in ("email", "e-mail", "emailAddress", "phone", "home_address", "addresses", "birth_date")),
        *((key, 3) for key in ("dob", "dateOfBirth", "last_name", "pin_code")),
        *((key, 2) for key in ("user_id", "customer", "order_id", "whatever", "", "x")),
        *((key, 2) for key in ("max_tokens", "maxTokens", "next_token", "nextPageToken", "token_count", "tokens")),
        *((key, 2) for key in ("primary_key", "primaryKeys", "keyword", "keywords", "foreign_key", "sort_key", "key")),
        *((key, 2) for key in ("ip_address", "ipAddress", "mac_address", "health_check", "account_for", "accountFor")),
        *((key, 2) for key in ("passwordless", "keyboard", "cardinality", "emailer", "addressable", "secretary")),
        *((key, 2) for key in ("opinion", "spin", "tokenizer", "taxi", "syntax", "healthy_glow")),
        *((key, 2) for key in ("headphone", "birthplaces", "loaner", "unit", "area", "temperature")),
    ],
)
def test_key_sensitivity(name: str, expected: int) -> None:
    assert sensitivity("run", **{name: 1}) == expected
    assert sensitivity("run", outer=[{"inner": {name: None}}]) == expected


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("get_weather", {"city": "Paris"}, 1),
        ("getCurrentWeather", {}, 1),
        ("math.factorial", {"number": 5}, 1),
        ("convert_units", {"value": 3, "to_unit": "kg"}, 1),
        ("get_news", {"topic": "AI"}, 1),
        ("lookup", {"weather": "rain"}, 1),
        ("get_weather", {"user_id": 7}, 2),
        ("get_weather", {"email": "x"}, 3),
        ("get_weather", {"note_to": "ann@example.org"}, 3),
        ("send_news", {}, 2),
        ("set_temperature", {"temperature": 20}, 2),
        ("respond", {"answer": "42"}, 2),
        ("reset_password", {}, 5),
        ("send_email", {}, 3),
        ("pin_message", {}, 2),
        ("get_token_price", {}, 2),
        ("account_for_drift", {}, 2),
        ("aftermath", {}, 2),
        ("newsletter", {}, 2),
    ],
)
def test_tool_sensitivity(tool: str, arguments: dict[str, Any], expected: int) -> None:
    assert derive(tool, arguments)[1] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PEM, 5),
        (f"Bearer {JWT}", 5),
        ("4111111111111111", 5),
        ("4111 1111 1111 1111", 5),
        ("card 4111-1111-1111-1111, thanks", 5),
        ("4111 1111 1111 1111 12/27", 5),
        ("3782 822463 10005", 5),
        ("GB82 WEST 1234 5698 7654 32", 4),
        ("pay DE89370400440532013000 now", 4),
        ("ann.lee+x@mail.example.org", 3),
        ("+44 20 7946 0958", 3),
        ("+905321234567", 3),
        ("(555) 123-4567", 3),
        ("call 555-123-4567.", 3),
        ("call +44 20 7946 0958.", 3),
        ("git@github.com:org/repo.git", 2),
        ("+1234567890.5", 2),
        ("call 555-123-4567 today", 3),
        ("+1.555.123.4567", 3),
        ("010-1234-5678", 3),
        ("4111111111111112", 2),
        ("1700000000000", 2),
        ("0.4111111111111111", 2),
        ("order-4111111111111111", 2),
        ("2001 2002 2003 2004", 2),
        ("41111111111111111111111", 2),
        ("GB83WEST12345698765432", 2),
        ("eyJhbGciOiJIUzI1NiJ9", 2),
        ("----- BEGIN -----", 2),
        ("@handle", 2),
        ("pkg@1.2.3", 2),
        ("a @ b.com", 2),
        ("1990-05-17", 2),
        ("2024-01-02 10:00:00", 2),
        ("2024-01-02T10:00:00+05:30", 2),
        ("192.168.100.200", 2),
        ("5551234567", 2),
        ("+12.34567890", 2),
        ("550e8400-e29b-41d4-a716-446655440000", 2),
        ("password", 2),
    ],
)
def test_text_detectors(text: str, expected: int) -> None:
    assert sensitivity("run", x=text) == expected
    assert sensitivity("run", x=[[{"y": [text]}]]) == expected


def test_a_date_is_personal_only_under_a_birth_key() -> None:
    assert sensitivity("run", start_date="1990-05-17") == 2
    assert sensitivity("run", birth_date="1990-05-17") == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
known_keys = st.sampled_from(["limit", "page_size", "pages", "all", "ids", "password", "sql", "count"])
objects = st.dictionaries(st.text() | known_keys, json_values, max_size=6)


@given(st.text(), objects)
def test_any_json_is_in_range(tool: str, arguments: dict[str, Any]) -> None:
    extent, level = derive(tool, arguments)
    assert type(extent) is type(level) is int
    assert 1 <= extent <= MAX_VOLUME
    assert 1 <= level <= 5


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(st.sampled_from(["list_users", "calculate_sum", "get_weather", "x"]), objects)
def test_the_same_for_every_key_order(tool: str, arguments: dict[str, Any]) -> None:
    copy = json.loads(json.dumps(arguments))
    assert derive(tool, arguments) == derive(tool, reversed_keys(arguments)) == derive(tool, copy)
    assert arguments == copy


def test_depth_does_not_matter() -> None:
    value: Any = {"password": 1}
    for _ in range(50_000):
        value = {"x": [value]}
    assert derive("run", value) == (1, 5)


def test_long_names_are_read_but_not_kept() -> None:
    from coordinator.contract import scope

    before = len(scope.KEYS)
    assert derive("x" * 9_000, {"password_" + "y" * 9_000: 1}) == (1, 5)
    assert len(scope.KEYS) == before


HOSTILE = [
    *(
        "a",
        "1",
        "a@",
        "@",
        "@a.",
        "a.b@c.d",
        "eyJ",
        "eyJa.",
        ".eyJ",
        "-----BEGIN ",
        "-",
        "+1",
        "+1 ",
        "1-",
        "0 ",
    ),
    *("4111 ", "4111-", "4111 1111 ", "4111111111111111 ", "GB82", "GB82 ", "AA11 ", "(555) ", "555-"),
    *(" ", "\n", "SELECT ", "select x from ", "where", "top ", "é", "Aa", "A", "_a", "max_tokens_"),
]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("head", ["", "SELECT ", "1", "a@b@+1", "-----BEGIN eyJ"])
def test_hostile_texts_take_linear_time(unit: str, head: str) -> None:
    text = (head + unit * 8_192)[:8_192]
    best = min(seconds(text) for _ in range(3))
    assert best < 0.02, f"{best * 1000:.1f} ms"


def seconds(text: str) -> float:
    start = time.perf_counter()
    derive("run", {"sql": text})
    derive("run", {text: 1})
    return time.perf_counter() - start
