/* Recorded calls, where each is written in the most common way. */
#include "native.h"

enum { FUNCTION_KEY, NAME_KEY, ARGUMENTS_KEY, KEYS };

/* What a call is wrapped in a dictionary by, or the call itself. Borrowed; NULL with an exception. */
static PyObject *
unwrapped(PyObject *value, PyObject *wrap)
{
    PyObject *inner = PyDict_GetItemWithError(value, wrap);
    if (inner == NULL) return PyErr_Occurred() ? NULL : value;
    return PyDict_CheckExact(inner) ? inner : value;
}

static int
is_trimmed(PyObject *text)
{
    const Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    return size && !Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, 0)) &&
           !Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, size - 1));
}

/* One recorded call as a `kind`; NULL without an exception for one that is written in another way. */
static PyObject *
read_call(PyObject *value, PyTypeObject *kind, PyObject *names)
{
    if (!PyDict_CheckExact(value) || (value = unwrapped(value, PyTuple_GET_ITEM(names, FUNCTION_KEY))) == NULL)
        return NULL;
    PyObject *name = PyDict_GetItemWithError(value, PyTuple_GET_ITEM(names, NAME_KEY));
    if (name == NULL || !PyUnicode_CheckExact(name) || !is_trimmed(name)) return NULL;
    PyObject *arguments = PyDict_GetItemWithError(value, PyTuple_GET_ITEM(names, ARGUMENTS_KEY));
    if (arguments == NULL || !PyDict_CheckExact(arguments)) return NULL;
    PyObject *fields = Py_BuildValue("((OOi))", name, arguments, 1);
    PyObject *made = fields == NULL ? NULL : PyTuple_Type.tp_new(kind, fields, NULL);
    Py_XDECREF(fields);
    return made;
}

/* read_calls(values, kind, names) -> each of a list of values as a `kind`, or NotImplemented where one is not plain.
 *
 * `kind` is a tuple of a name, arguments and a tier; `names` are those of a wrapped call, a name and arguments.
 */
PyObject *
read_calls(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyList_Check(args[0]) || !PyType_Check(args[1]) ||
        !PyType_IsSubtype((PyTypeObject *)args[1], &PyTuple_Type) || !PyTuple_Check(args[2]) ||
        PyTuple_GET_SIZE(args[2]) != KEYS) {
        PyErr_SetString(PyExc_TypeError, "read_calls takes a list, a kind of tuple and three names");
        return NULL;
    }
    const Py_ssize_t size = PyList_GET_SIZE(args[0]);
    PyObject *made = PyList_New(size);
    for (Py_ssize_t at = 0; made != NULL && at < size; at++) {
        PyObject *call = read_call(PyList_GET_ITEM(args[0], at), (PyTypeObject *)args[1], args[2]);
        if (call != NULL) {
            PyList_SET_ITEM(made, at, call);
            continue;
        }
        Py_CLEAR(made);
        if (!PyErr_Occurred()) Py_RETURN_NOTIMPLEMENTED;
    }
    return made;
}
