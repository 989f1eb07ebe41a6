/* Texts of JSON that a quick reader takes for what the strict one makes of them, told from what was read.
 *
 * The quick one keeps the last of equal names, rounds integers beyond 64 bits, and reads what is nested deeper.
 */
#include "native.h"

enum { DEEPEST = 100 };
static const double LARGEST = 1e15; /* of floats: a larger one may have been written as an integer */
enum { MOST_IN_A_BYTE = 255 };

/* How often `wanted` stands in some bytes; in sums of a byte each, which the compiler makes many of at once. */
static Py_ssize_t
count_bytes(const char *data, Py_ssize_t size, char wanted)
{
    Py_ssize_t found = 0;
    while (size > 0) {
        const Py_ssize_t length = size < MOST_IN_A_BYTE ? size : MOST_IN_A_BYTE;
        unsigned char some = 0;
        for (Py_ssize_t at = 0; at < length; at++) some += data[at] == wanted;
        found += some;
        data += length;
        size -= length;
    }
    return found;
}

/* Whether a colon may be written as an escape. */
static int
has_escaped_colon(const char *data, Py_ssize_t size)
{
    const char *const end = data + size;
    while ((data = memchr(data, '\\', (size_t)(end - data))) != NULL) {
        if (end - data >= 6 && memcmp(data + 1, "u003", 4) == 0) return 1;
        data++;
    }
    return 0;
}

static Py_ssize_t
count_colons(PyObject *text)
{
    const Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    Py_ssize_t found = 0;
    if (PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND) {
        const char *data = PyUnicode_DATA(text);
        return memchr(data, ':', (size_t)size) == NULL ? 0 : count_bytes(data, size, ':');
    }
    for (Py_ssize_t at = 0; at < size; at++) found += PyUnicode_READ_CHAR(text, at) == ':';
    return found;
}

/* Adds the colons that it takes to write a value; ODD for one that the strict reader may read otherwise. */
static int
count_read(PyObject *value, int depth, Py_ssize_t *colons)
{
    if (PyUnicode_CheckExact(value)) {
        *colons += count_colons(value);
    } else if (PyDict_CheckExact(value)) {
        PyObject *name, *inner;
        Py_ssize_t place = 0;
        *colons += PyDict_GET_SIZE(value);
        while (PyDict_Next(value, &place, &name, &inner)) {
            *colons += count_colons(name);
            if (count_read(inner, depth + 1, colons)) return ODD;
        }
    } else if (PyList_CheckExact(value)) {
        for (Py_ssize_t at = 0; at < PyList_GET_SIZE(value); at++)
            if (count_read(PyList_GET_ITEM(value, at), depth + 1, colons)) return ODD;
    } else if (PyFloat_CheckExact(value)) {
        const double number = PyFloat_AS_DOUBLE(value);
        return number > -LARGEST && number < LARGEST ? FINE : ODD;
    }
    return depth > DEEPEST ? ODD : FINE;
}

/* A text's bytes as UTF-8; NULL without an exception for what is no text, or half of a surrogate pair. */
static const char *
utf8(PyObject *source, Py_ssize_t *size)
{
    if (PyBytes_Check(source)) {
        *size = PyBytes_GET_SIZE(source);
        return PyBytes_AS_STRING(source);
    }
    const char *data = PyUnicode_Check(source) ? PyUnicode_AsUTF8AndSize(source, size) : NULL;
    if (data == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) PyErr_Clear();
    return data;
}

/* read_json(loads, source) -> what `loads` makes of a text, or NotImplemented: for the strict reader to read or refuse.
 */
PyObject *
read_json(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "read_json takes a reader and a text");
        return NULL;
    }
    Py_ssize_t size, colons = 0;
    const char *text = utf8(args[1], &size);
    if (text == NULL && PyErr_Occurred()) return NULL;
    if (text == NULL || has_escaped_colon(text, size)) Py_RETURN_NOTIMPLEMENTED;
    PyObject *value = PyObject_CallOneArg(args[0], args[1]);
    if (value == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (!count_read(value, 0, &colons) && colons == count_bytes(text, size, ':')) return value;
    Py_DECREF(value);
    Py_RETURN_NOTIMPLEMENTED;
}
