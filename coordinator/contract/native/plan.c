/* The plan of a row as JSON, with the hashes of its calls. */
#include "native.h"

enum { NODE_NUMBERS = 4, CALL = 3, AROUND_PLAN = 32, AROUND_EDGE = 32 };
enum { TOLD, CALLS, ORIGINAL_ID, ORIGINS, EDGES, OF_PLAN };

typedef struct {
    const char *data;
    Py_ssize_t size;
} Piece;

static Piece
bytes_piece(PyObject *bytes)
{
    return (Piece){PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)};
}

static Piece
ascii_piece(PyObject *text)
{
    return (Piece){PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)};
}

static Piece
number_piece(char *digits, long long number)
{
    return (Piece){digits, write_number(digits, number)};
}

/* The bytes that `values` and what stands around them come to. */
static Py_ssize_t
size_of(PyObject *around, const Piece *values, int count)
{
    Py_ssize_t size = PyBytes_GET_SIZE(PyTuple_GET_ITEM(around, count));
    for (int at = 0; at < count; at++) size += PyBytes_GET_SIZE(PyTuple_GET_ITEM(around, at)) + values[at].size;
    return size;
}

static char *
copy(char *to, Piece piece)
{
    memcpy(to, piece.data, (size_t)piece.size);
    return to + piece.size;
}

static char *
fill(char *to, PyObject *around, const Piece *values, int count)
{
    for (int at = 0; at < count; at++) {
        to = copy(to, bytes_piece(PyTuple_GET_ITEM(around, at)));
        to = copy(to, values[at]);
    }
    return copy(to, bytes_piece(PyTuple_GET_ITEM(around, count)));
}

/* The hex digits of the SHA-256 of some bytes. */
PyObject *
sha256_of(const Plans *self, PyObject *bytes)
{
    PyObject *hash = PyObject_CallOneArg(self->sha256, bytes);
    PyObject *hex = hash == NULL ? NULL : PyObject_CallMethodNoArgs(hash, self->hexdigest);
    Py_XDECREF(hash);
    if (hex != NULL &&
        !(PyUnicode_Check(hex) && PyUnicode_IS_COMPACT_ASCII(hex) && PyUnicode_GET_LENGTH(hex) == HEX_OF_SHA256)) {
        PyErr_SetString(PyExc_TypeError, "not the digits of a SHA-256");
        Py_CLEAR(hex);
    }
    return hex;
}

/* Hex SHA-256 of the canonical provenance object. */
static PyObject *
provenance_hash(Plans *self, PyObject *said, Piece tier, Piece origin)
{
    const Piece values[] = {bytes_piece(PyTuple_GET_ITEM(said, CANONICAL)), origin, tier,
                            bytes_piece(PyTuple_GET_ITEM(said, NAME))};
    PyObject *whole = PyBytes_FromStringAndSize(NULL, size_of(self->provenance, values, PROVENANCE_VALUES));
    if (whole == NULL) return NULL;
    fill(PyBytes_AS_STRING(whole), self->provenance, values, PROVENANCE_VALUES);
    PyObject *hex = sha256_of(self, whole);
    Py_DECREF(whole);
    return hex;
}

/* Whether it is what `examine` says of a call. */
int
is_told(PyObject *said)
{
    return PyTuple_CheckExact(said) && PyTuple_GET_SIZE(said) == SAID && PyBytes_Check(PyTuple_GET_ITEM(said, NAME)) &&
           PyBytes_Check(PyTuple_GET_ITEM(said, CANONICAL)) && PyBytes_Check(PyTuple_GET_ITEM(said, WRITTEN));
}

/* One end of an edge; -1, without an exception, for what is no pair of places. */
long long
end_of(PyObject *edge, Py_ssize_t end)
{
    if (!PyTuple_Check(edge) || PyTuple_GET_SIZE(edge) != 2) return -1;
    PyObject *place = PyTuple_GET_ITEM(edge, end);
    const long long number = PyLong_CheckExact(place) ? PyLong_AsLongLong(place) : -1;
    if (number == -1) PyErr_Clear();
    return number < 0 ? -1 : number;
}

/* The bytes that a plan comes to at most; -1: an exception. */
static Py_ssize_t
room_for(const Plans *self, PyObject *told, PyObject *origins, Py_ssize_t id, Py_ssize_t edges)
{
    static const Piece nothing[NODE_VALUES];
    const Py_ssize_t node = size_of(self->node, nothing, NODE_VALUES) + HEX_OF_SHA256 + NODE_NUMBERS * DIGITS + id + 1;
    Py_ssize_t room = AROUND_PLAN + PyTuple_GET_SIZE(told) * node + edges * (2 * (id + DIGITS) + AROUND_EDGE);
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(told); at++) {
        PyObject *said = PyTuple_GET_ITEM(told, at);
        if (!is_told(said) || !PyBytes_Check(PyTuple_GET_ITEM(origins, at))) {
            PyErr_SetString(PyExc_TypeError, "not what `examine` says, or an origin that is not bytes");
            return -1;
        }
        room += PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, NAME)) + PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, WRITTEN));
    }
    return room;
}

/* Write the node at a place; NULL: an exception. */
static char *
put_node(Plans *self, char *to, PyObject *const *items, Py_ssize_t at, Piece original_id)
{
    PyObject *said = PyTuple_GET_ITEM(items[TOLD], at), *call = PyTuple_GET_ITEM(items[CALLS], at);
    if (!PyTuple_Check(call) || PyTuple_GET_SIZE(call) != CALL) {
        PyErr_SetString(PyExc_TypeError, "not a call");
        return NULL;
    }
    PyObject *told[] = {PyTuple_GET_ITEM(call, CALL - 1), PyTuple_GET_ITEM(said, VOLUME),
                        PyTuple_GET_ITEM(said, SENSITIVITY)};
    char digits[NODE_NUMBERS][DIGITS];
    Piece numbers[CALL];
    for (int number = 0; number < CALL; number++) {
        const long value = PyLong_AsLong(told[number]);
        if (value == -1 && PyErr_Occurred()) return NULL;
        numbers[number] = number_piece(digits[number], value);
    }
    PyObject *hash = provenance_hash(self, said, numbers[0], bytes_piece(PyTuple_GET_ITEM(items[ORIGINS], at)));
    if (hash == NULL) return NULL;
    const Piece values[NODE_VALUES] = {
        bytes_piece(PyTuple_GET_ITEM(said, NAME)),
        bytes_piece(PyTuple_GET_ITEM(said, WRITTEN)),
        numbers[0],
        ascii_piece(hash),
        numbers[1],
        numbers[2],
        original_id,
        number_piece(digits[NODE_NUMBERS - 1], at),
    };
    if (at) *to++ = ',';
    to = fill(to, self->node, values, NODE_VALUES);
    Py_DECREF(hash);
    return to;
}

static char *
put_text_of(char *to, const char *text)
{
    return copy(to, (Piece){text, (Py_ssize_t)strlen(text)});
}

/* Write an edge; NULL without an exception for what is none. */
static char *
put_edge(char *to, PyObject *edge, Piece original_id)
{
    char digits[DIGITS];
    for (int end = 0; end < 2; end++) {
        const long long place = end_of(edge, end);
        if (place < 0) return NULL;
        to = copy(put_text_of(to, end ? ",\"" : "[\""), original_id);
        to = copy(put_text_of(to, "_tool_"), number_piece(digits, place));
        *to++ = '"';
    }
    *to++ = ']';
    return to;
}

/* Write the plan; its end, or NULL with or without an exception. */
static char *
put_plan(Plans *self, char *to, PyObject *const *items)
{
    const Piece original_id = ascii_piece(items[ORIGINAL_ID]);
    to = put_text_of(to, "{\"nodes\":[");
    for (Py_ssize_t at = 0; to != NULL && at < PyTuple_GET_SIZE(items[TOLD]); at++)
        to = put_node(self, to, items, at, original_id);
    if (to != NULL) to = put_text_of(to, "],\"edges\":[");
    for (Py_ssize_t at = 0; to != NULL && at < PyTuple_GET_SIZE(items[EDGES]); at++) {
        if (at) *to++ = ',';
        to = put_edge(to, PyTuple_GET_ITEM(items[EDGES], at), original_id);
    }
    return to == NULL ? NULL : put_text_of(to, "]}");
}

/* The plan of items that are tuples of one length, but for the id, an ASCII text, and the edges. */
static PyObject *
plan_of(Plans *self, PyObject *const *items)
{
    const Py_ssize_t id = PyUnicode_GET_LENGTH(items[ORIGINAL_ID]), edges = PyTuple_GET_SIZE(items[EDGES]);
    const Py_ssize_t room = room_for(self, items[TOLD], items[ORIGINS], id, edges);
    PyObject *made = room < 0 ? NULL : PyBytes_FromStringAndSize(NULL, room);
    if (made == NULL) return NULL;
    const char *end = put_plan(self, PyBytes_AS_STRING(made), items);
    if (end != NULL) {
        _PyBytes_Resize(&made, end - PyBytes_AS_STRING(made));
        return made;
    }
    Py_DECREF(made);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NOTIMPLEMENTED;
}

/* plan(told, calls, original_id, origins, edges) -> the plan as JSON; NotImplemented for edges that are no tuples.
 *
 * Of one length: what `examine` said of each call, the calls with their provenance tiers, the canonical JSON of their
 * origins. Hashing lets other threads run: what is written to is this call's own, and lists are copied first.
 */
PyObject *
plans_plan(Plans *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *items[OF_PLAN] = {NULL}, *made = NULL;
    if (self->buffer == NULL) return without_tables();
    if (count != OF_PLAN || !PyUnicode_Check(args[ORIGINAL_ID]) || !PyUnicode_IS_COMPACT_ASCII(args[ORIGINAL_ID])) {
        PyErr_SetString(PyExc_TypeError, "plan takes calls and what is known of them, an ASCII id, origins and edges");
        return NULL;
    }
    int fine = 1;
    for (int at = 0; at < OF_PLAN; at++) {
        items[at] = at == ORIGINAL_ID ? Py_NewRef(args[at]) : PySequence_Tuple(args[at]);
        fine &= items[at] != NULL;
        if (!fine) break;
    }
    if (fine && PyTuple_GET_SIZE(items[TOLD]) == PyTuple_GET_SIZE(items[CALLS]) &&
        PyTuple_GET_SIZE(items[TOLD]) == PyTuple_GET_SIZE(items[ORIGINS]))
        made = plan_of(self, items);
    else if (fine)
        PyErr_SetString(PyExc_ValueError, "sequences of different lengths");
    for (int at = 0; at < OF_PLAN; at++) Py_XDECREF(items[at]);
    return made;
}
