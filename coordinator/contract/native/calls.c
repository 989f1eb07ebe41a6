/* Recorded calls, where each is written in the most common way. */
#include "native.h"

enum { FUNCTION_KEY, NAME_KEY, ARGUMENTS_KEY, KEYS };

static int
is_trimmed(PyObject *text)
{
    const Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    return size && !Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, 0)) &&
           !Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, size - 1));
}

/* What stands under a name, held: looking up another may run code of keys that are no plain text. NULL with or without
 * an exception. */
static PyObject *
held(PyObject *object, PyObject *names, int name)
{
    PyObject *value = PyDict_GetItemWithError(object, PyTuple_GET_ITEM(names, name));
    Py_XINCREF(value);
    return value;
}

/* A call of an exact name and arguments as a `kind`; NULL without an exception for one that is written otherwise. */
static PyObject *
bare_call(PyObject *call, PyTypeObject *kind, PyObject *names)
{
    PyObject *name = held(call, names, NAME_KEY), *made = NULL;
    PyObject *arguments = name == NULL ? NULL : held(call, names, ARGUMENTS_KEY);
    if (arguments != NULL && PyUnicode_CheckExact(name) && is_trimmed(name) && PyDict_CheckExact(arguments)) {
        PyObject *fields = Py_BuildValue("((OOi))", name, arguments, 1);
        made = fields == NULL ? NULL : PyTuple_Type.tp_new(kind, fields, NULL);
        Py_XDECREF(fields);
    }
    Py_XDECREF(name);
    Py_XDECREF(arguments);
    return made;
}

/* See `bare_call`; of a call that may be wrapped in another dictionary. */
static PyObject *
read_call(PyObject *value, PyTypeObject *kind, PyObject *names)
{
    if (!PyDict_CheckExact(value)) return NULL;
    PyObject *inner = held(value, names, FUNCTION_KEY);
    if (inner == NULL && PyErr_Occurred()) return NULL;
    PyObject *made = bare_call(inner != NULL && PyDict_CheckExact(inner) ? inner : value, kind, names);
    Py_XDECREF(inner);
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
    PyObject *values = PyList_AsTuple(args[0]);
    if (values == NULL) return NULL;
    const Py_ssize_t size = PyTuple_GET_SIZE(values);
    PyObject *all = PyList_New(size);
    for (Py_ssize_t at = 0; all != NULL && at < size; at++) {
        PyObject *call = read_call(PyTuple_GET_ITEM(values, at), (PyTypeObject *)args[1], args[2]);
        if (call == NULL)
            Py_CLEAR(all);
        else
            PyList_SET_ITEM(all, at, call);
    }
    Py_DECREF(values);
    if (all == NULL && !PyErr_Occurred()) Py_RETURN_NOTIMPLEMENTED;
    return all;
}
