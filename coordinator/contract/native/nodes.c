/* The nodes of a plan as JSON, and its calls in canonical JSON, put together from what was found of the calls. */
#include "native.h"

enum { NAME, CANONICAL, VOLUME, SENSITIVITY, WRITTEN }; /* of what was found of a call; see `examine.c` */
enum { DIGITS = 24 };

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
number_piece(char *digits, long number)
{
    if (number < 0 || number > 9) return (Piece){digits, snprintf(digits, DIGITS, "%ld", number)};
    digits[0] = (char)('0' + number);
    return (Piece){digits, 1};
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

/* Hex SHA-256 of the canonical provenance object. */
static PyObject *
provenance_hash(Plans *self, PyObject *said, Piece tier, Piece origin)
{
    const Piece values[] = {bytes_piece(PyTuple_GET_ITEM(said, CANONICAL)), origin, tier,
                            bytes_piece(PyTuple_GET_ITEM(said, NAME))};
    PyObject *whole = PyBytes_FromStringAndSize(NULL, size_of(self->provenance, values, PROVENANCE_VALUES));
    if (whole == NULL) return NULL;
    fill(PyBytes_AS_STRING(whole), self->provenance, values, PROVENANCE_VALUES);
    PyObject *hash = PyObject_CallOneArg(self->sha256, whole);
    Py_DECREF(whole);
    if (hash == NULL) return NULL;
    PyObject *hex = PyObject_CallMethodNoArgs(hash, self->hexdigest);
    Py_DECREF(hash);
    if (hex != NULL && !(PyUnicode_Check(hex) && PyUnicode_IS_COMPACT_ASCII(hex))) {
        PyErr_SetString(PyExc_TypeError, "a digest that is not ASCII");
        Py_CLEAR(hex);
    }
    return hex;
}

/* Write the node at `to`, which has `room`. Returns what is left of it; -1: too little, or an exception. */
static Py_ssize_t
put_node(Plans *self, char *to, Py_ssize_t room, PyObject *said, PyObject *tier, Piece origin, Piece original_id,
         Py_ssize_t index)
{
    char digits[4][DIGITS];
    PyObject *told[] = {tier, PyTuple_GET_ITEM(said, VOLUME), PyTuple_GET_ITEM(said, SENSITIVITY)};
    Piece numbers[3];
    for (int at = 0; at < 3; at++) {
        const long number = PyLong_AsLong(told[at]);
        if (number == -1 && PyErr_Occurred()) return -1;
        numbers[at] = number_piece(digits[at], number);
    }
    PyObject *hash = provenance_hash(self, said, numbers[0], origin);
    if (hash == NULL) return -1;
    const Piece values[] = {
        bytes_piece(PyTuple_GET_ITEM(said, NAME)),
        bytes_piece(PyTuple_GET_ITEM(said, WRITTEN)),
        numbers[0],
        ascii_piece(hash),
        numbers[1],
        numbers[2],
        original_id,
        number_piece(digits[3], (long)index),
    };
    room -= size_of(self->node, values, NODE_VALUES);
    if (room >= 0) fill(to, self->node, values, NODE_VALUES);
    Py_DECREF(hash);
    return room;
}

/* Whether it is what `examine` says of a call. */
static int
is_told(PyObject *said)
{
    return PyTuple_CheckExact(said) && PyTuple_GET_SIZE(said) == 5 && PyBytes_Check(PyTuple_GET_ITEM(said, NAME)) &&
           PyBytes_Check(PyTuple_GET_ITEM(said, CANONICAL)) && PyBytes_Check(PyTuple_GET_ITEM(said, WRITTEN));
}

/* nodes(told, tiers, original_id, origins) -> the nodes as JSON, or None where they are too long for a line.
 *
 * Lists of one length: what `examine` said of each call, its provenance tier, the canonical JSON of its origin.
 */
PyObject *
plans_nodes(Plans *self, PyObject *args)
{
    PyObject *told, *tiers, *original_id, *origins;
    if (!PyArg_ParseTuple(args, "O!O!UO!", &PyList_Type, &told, &PyList_Type, &tiers, &original_id, &PyList_Type,
                          &origins))
        return NULL;
    if (self->buffer == NULL) return without_tables();
    const Py_ssize_t count = PyList_GET_SIZE(told);
    if (PyList_GET_SIZE(tiers) != count || PyList_GET_SIZE(origins) != count ||
        !PyUnicode_IS_COMPACT_ASCII(original_id)) {
        PyErr_SetString(PyExc_ValueError, "lists of different lengths, or an original_id that is not ASCII");
        return NULL;
    }
    char *const end = self->buffer + self->max_line, *to = self->buffer;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *said = PyList_GET_ITEM(told, at), *origin = PyList_GET_ITEM(origins, at);
        if (!is_told(said) || !PyBytes_Check(origin)) {
            PyErr_SetString(PyExc_TypeError, "not what `examine` says, or an origin that is not bytes");
            return NULL;
        }
        if (end - to < 2) Py_RETURN_NONE;
        *to++ = at ? ',' : '[';
        const Py_ssize_t left = put_node(self, to, end - to, said, PyList_GET_ITEM(tiers, at), bytes_piece(origin),
                                         ascii_piece(original_id), at);
        if (left < 0 && PyErr_Occurred()) return NULL;
        if (left < 0) Py_RETURN_NONE;
        to = end - left;
    }
    if (end - to < 2) Py_RETURN_NONE;
    if (!count) *to++ = '[';
    *to++ = ']';
    return PyBytes_FromStringAndSize(self->buffer, to - self->buffer);
}

/* listed(told) -> the calls as canonical JSON: [name,arguments],[name,arguments]... */
PyObject *
plans_listed(PyObject *Py_UNUSED(self), PyObject *told)
{
    if (!PyList_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "not a list");
        return NULL;
    }
    Py_ssize_t size = 0;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        PyObject *said = PyList_GET_ITEM(told, at);
        if (!is_told(said)) {
            PyErr_SetString(PyExc_TypeError, "not what `examine` says");
            return NULL;
        }
        size +=
            PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, NAME)) + PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, CANONICAL)) + 4;
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, size ? size - 1 : 0);
    if (made == NULL) return NULL;
    char *to = PyBytes_AS_STRING(made);
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        PyObject *said = PyList_GET_ITEM(told, at);
        if (at) *to++ = ',';
        *to++ = '[';
        to = copy(to, bytes_piece(PyTuple_GET_ITEM(said, NAME)));
        *to++ = ',';
        to = copy(to, bytes_piece(PyTuple_GET_ITEM(said, CANONICAL)));
        *to++ = ']';
    }
    return made;
}
