/* The nodes of a plan as JSON, and its calls in canonical JSON, put together from what was found of the calls. */
#include "native.h"

enum { TIER = 2, HASH = 3 }; /* of the values of a node */
enum { NODE_NUMBERS = 4 };

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

/* The values of a node, but for its hash, which is not known yet; `digits` holds its numbers. -1: an exception. */
static int
node_values(PyObject *said, PyObject *tier, Piece original_id, Py_ssize_t index, Piece *values,
            char digits[NODE_NUMBERS][DIGITS])
{
    PyObject *told[] = {tier, PyTuple_GET_ITEM(said, VOLUME), PyTuple_GET_ITEM(said, SENSITIVITY)};
    Piece numbers[NODE_NUMBERS];
    for (int at = 0; at < 3; at++) {
        const long number = PyLong_AsLong(told[at]);
        if (number == -1 && PyErr_Occurred()) return -1;
        numbers[at] = number_piece(digits[at], number);
    }
    values[0] = bytes_piece(PyTuple_GET_ITEM(said, NAME));
    values[1] = bytes_piece(PyTuple_GET_ITEM(said, WRITTEN));
    values[TIER] = numbers[0];
    values[HASH] = (Piece){NULL, HEX_OF_SHA256};
    values[4] = numbers[1];
    values[5] = numbers[2];
    values[6] = original_id;
    values[7] = number_piece(digits[3], (long)index);
    return 0;
}

/* Whether it is what `examine` says of a call. */
int
is_told(PyObject *said)
{
    return PyTuple_CheckExact(said) && PyTuple_GET_SIZE(said) == SAID && PyBytes_Check(PyTuple_GET_ITEM(said, NAME)) &&
           PyBytes_Check(PyTuple_GET_ITEM(said, CANONICAL)) && PyBytes_Check(PyTuple_GET_ITEM(said, WRITTEN));
}

/* The bytes that all nodes come to, with brackets and commas; -1: an exception. */
static Py_ssize_t
size_of_nodes(Plans *self, PyObject *told, PyObject *tiers, PyObject *original_id, PyObject *origins)
{
    Py_ssize_t size = 2;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        char digits[NODE_NUMBERS][DIGITS];
        Piece values[NODE_VALUES];
        PyObject *said = PyList_GET_ITEM(told, at);
        if (!is_told(said) || !PyBytes_Check(PyList_GET_ITEM(origins, at))) {
            PyErr_SetString(PyExc_TypeError, "not what `examine` says, or an origin that is not bytes");
            return -1;
        }
        if (node_values(said, PyList_GET_ITEM(tiers, at), ascii_piece(original_id), at, values, digits)) return -1;
        size += size_of(self->node, values, NODE_VALUES) + (at > 0);
    }
    return size;
}

static PyObject *
put_nodes(Plans *self, PyObject *told, PyObject *tiers, PyObject *original_id, PyObject *origins)
{
    const Py_ssize_t size = size_of_nodes(self, told, tiers, original_id, origins);
    PyObject *made = size < 0 ? NULL : PyBytes_FromStringAndSize(NULL, size);
    if (made == NULL) return NULL;
    char *to = PyBytes_AS_STRING(made);
    *to++ = '[';
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        char digits[NODE_NUMBERS][DIGITS];
        Piece values[NODE_VALUES];
        PyObject *said = PyList_GET_ITEM(told, at), *hash = NULL;
        if (!node_values(said, PyList_GET_ITEM(tiers, at), ascii_piece(original_id), at, values, digits))
            hash = provenance_hash(self, said, values[TIER], bytes_piece(PyList_GET_ITEM(origins, at)));
        if (hash == NULL) {
            Py_DECREF(made);
            return NULL;
        }
        values[HASH] = ascii_piece(hash);
        if (at) *to++ = ',';
        to = fill(to, self->node, values, NODE_VALUES);
        Py_DECREF(hash);
    }
    *to = ']';
    return made;
}

/* nodes(told, tiers, original_id, origins) -> the nodes as JSON.
 *
 * Lists of one length: what `examine` said of each call, its provenance tier, the canonical JSON of its origin.
 * Hashing lets other threads run: what is written to is this call's own, and lists are copied first.
 */
PyObject *
plans_nodes(Plans *self, PyObject *args)
{
    PyObject *lists[3], *own[3] = {NULL, NULL, NULL}, *original_id, *made = NULL;
    if (self->buffer == NULL) return without_tables();
    if (!PyArg_ParseTuple(args, "O!O!UO!", &PyList_Type, &lists[0], &PyList_Type, &lists[1], &original_id, &PyList_Type,
                          &lists[2]))
        return NULL;
    int fine = 1;
    for (int at = 0; at < 3; at++) fine &= (own[at] = PyList_GetSlice(lists[at], 0, PY_SSIZE_T_MAX)) != NULL;
    if (fine && PyUnicode_IS_COMPACT_ASCII(original_id) && PyList_GET_SIZE(own[0]) == PyList_GET_SIZE(own[1]) &&
        PyList_GET_SIZE(own[0]) == PyList_GET_SIZE(own[2]))
        made = put_nodes(self, own[0], own[1], original_id, own[2]);
    else if (fine)
        PyErr_SetString(PyExc_ValueError, "lists of different lengths, or an original_id that is not ASCII");
    for (int at = 0; at < 3; at++) Py_XDECREF(own[at]);
    return made;
}
