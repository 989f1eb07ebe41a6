/* The key by which exact duplicates are found. */
#include "native.h"

enum { LONGEST_ESCAPE = 6, AROUND = 16 };

/* A text without white space at its ends, and with single spaces in it. */
static int
is_single_spaced(PyObject *text)
{
    const int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    int after_space = 1;
    for (Py_ssize_t at = 0; at < size; at++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, at);
        if (c > ' ' && c < 0x80) {
            after_space = 0;
        } else if (Py_UNICODE_ISSPACE(c)) {
            if (c != ' ' || after_space) return 0;
            after_space = 1;
        } else {
            after_space = 0;
        }
    }
    return !size || !after_space;
}

static int
put_calls(Walk *walk, PyObject *told)
{
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        PyObject *said = PyList_GET_ITEM(told, at);
        PyObject *name = PyTuple_GET_ITEM(said, NAME), *arguments = PyTuple_GET_ITEM(said, CANONICAL);
        if (put(walk, at ? ",[" : "[", at ? 2 : 1) || put(walk, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) ||
            put(walk, ",", 1) || put(walk, PyBytes_AS_STRING(arguments), PyBytes_GET_SIZE(arguments)) ||
            put(walk, "]", 1))
            return ODD;
    }
    return FINE;
}

static int
put_end(Walk *walk, PyObject *edge, Py_ssize_t end)
{
    char digits[DIGITS];
    const long long place = end_of(edge, end);
    return place < 0 ? ODD : put(walk, digits, write_number(digits, place));
}

static int
put_edges(Walk *walk, PyObject *edges)
{
    for (Py_ssize_t at = 0; at < PySequence_Fast_GET_SIZE(edges); at++) {
        PyObject *edge = PySequence_Fast_GET_ITEM(edges, at);
        if (put(walk, at ? ",[" : "[", at ? 2 : 1) || put_end(walk, edge, 0) || put(walk, ",", 1) ||
            put_end(walk, edge, 1) || put(walk, "]", 1))
            return ODD;
    }
    return FINE;
}

/* The bytes that the text, the calls and the edges come to at most; -1 where they are not what they should be. */
static Py_ssize_t
room_for(Py_ssize_t size, PyObject *told, PyObject *edges)
{
    Py_ssize_t room = AROUND + size * LONGEST_ESCAPE + PySequence_Fast_GET_SIZE(edges) * 2 * (DIGITS + 2);
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(told); at++) {
        PyObject *said = PyList_GET_ITEM(told, at);
        if (!is_told(said)) return -1;
        room +=
            PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, NAME)) + PyBytes_GET_SIZE(PyTuple_GET_ITEM(said, CANONICAL)) + 4;
    }
    return room;
}

/* intent_hash(text, told, edges) -> hex SHA-256 of `[text,[[name,arguments]...],[[from,to]...]]`.
 *
 * `told` is what `examine` says of the calls, edges are tuples of two integers. NotImplemented for a text that is not
 * single-spaced, or that cannot be written.
 */
PyObject *
plans_intent(Plans *self, PyObject *const *args, Py_ssize_t count)
{
    if (self->buffer == NULL) return without_tables();
    if (count != 3 || !PyUnicode_Check(args[0]) || !PyList_Check(args[1]) ||
        !(PyList_CheckExact(args[2]) || PyTuple_CheckExact(args[2]))) {
        PyErr_SetString(PyExc_TypeError, "intent_hash takes a text, what `examine` says of calls, and edges");
        return NULL;
    }
    Py_ssize_t size;
    const char *text = is_single_spaced(args[0]) ? PyUnicode_AsUTF8AndSize(args[0], &size) : NULL;
    if (text == NULL) {
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    const Py_ssize_t room = room_for(size, args[1], args[2]);
    if (room < 0) {
        PyErr_SetString(PyExc_TypeError, "not what `examine` says");
        return NULL;
    }
    PyObject *whole = PyBytes_FromStringAndSize(NULL, room);
    if (whole == NULL) return NULL;
    Walk walk = {.data = PyBytes_AS_STRING(whole), .room = room};
    if (put(&walk, "[", 1) || put_string(&walk, text, size) || put(&walk, ",[", 2) || put_calls(&walk, args[1]) ||
        put(&walk, "],[", 3) || put_edges(&walk, args[2]) || put(&walk, "]]", 2)) {
        Py_DECREF(whole);
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (_PyBytes_Resize(&whole, walk.size)) return NULL;
    PyObject *hash = sha256_of(self, whole);
    Py_DECREF(whole);
    return hash;
}
