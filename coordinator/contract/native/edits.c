/* A row after edits, and whether edits are plain: see `patch` and `tiers.soundness`, which do what is not so here. */
#include "native.h"

enum { OP, PATH, VALUE, ADD, REPLACE, EDIT_NAMES };
enum { MOST_OWN = 64, MOST_DIGITS = 6 };

/* The copies that one patch has made, which it keeps alive; the first is of the document. */
typedef struct {
    PyObject *parts[MOST_OWN];
    int count;
} Own;

static int
is_own(const Own *own, PyObject *part)
{
    for (int at = 0; at < own->count; at++)
        if (own->parts[at] == part) return 1;
    return 0;
}

/* A copy that is kept, borrowed; NULL without an exception for what has no parts, or is one too many. */
static PyObject *
own_copy(Own *own, PyObject *part)
{
    PyObject *copy = NULL;
    if (own->count == MOST_OWN) return NULL;
    if (PyDict_CheckExact(part))
        copy = PyDict_Copy(part);
    else if (PyList_CheckExact(part))
        copy = PyList_GetSlice(part, 0, PyList_GET_SIZE(part));
    if (copy != NULL) own->parts[own->count++] = copy;
    return copy;
}

/* The place that a step names in a list; -1 for none. */
static Py_ssize_t
place_of(const char *step, Py_ssize_t size)
{
    Py_ssize_t place = 0;
    if (size < 1 || size > MOST_DIGITS || (*step == '0' && size > 1)) return -1;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (step[at] < '0' || step[at] > '9') return -1;
        place = 10 * place + (step[at] - '0');
    }
    return place;
}

/* What stands in a dictionary under a key, made own and borrowed; NULL with or without an exception. */
static PyObject *
own_value(Own *own, PyObject *object, PyObject *key)
{
    PyObject *part = PyDict_GetItemWithError(object, key);
    if (part == NULL || is_own(own, part)) return part;
    PyObject *copy = own_copy(own, part);
    return copy == NULL || PyDict_SetItem(object, key, copy) ? NULL : copy;
}

/* See `own_value`; what stands at a place of a list. */
static PyObject *
own_item(Own *own, PyObject *list, Py_ssize_t place)
{
    if (place < 0 || place >= PyList_GET_SIZE(list)) return NULL;
    PyObject *part = PyList_GET_ITEM(list, place);
    if (is_own(own, part)) return part;
    PyObject *copy = own_copy(own, part);
    return copy == NULL || PyList_SetItem(list, place, Py_NewRef(copy)) ? NULL : copy;
}

/* Put a value where the last step says; 1 for a place that is not there, -1 for an exception. */
static int
put_value(PyObject *at, PyObject *key, const char *step, Py_ssize_t size, int is_add, PyObject *value)
{
    if (PyDict_CheckExact(at)) {
        const int found = is_add ? 1 : PyDict_Contains(at, key);
        return found < 0 ? -1 : found ? PyDict_SetItem(at, key, value) : 1;
    }
    const Py_ssize_t length = PyList_GET_SIZE(at);
    const Py_ssize_t place = is_add && size == 1 && *step == '-' ? length : place_of(step, size);
    if (place < 0 || place > length || (!is_add && place == length)) return 1;
    return is_add ? PyList_Insert(at, place, value) : PyList_SetItem(at, place, Py_NewRef(value));
}

/* Walk a pointer from the document and put a value at its end; as `put_value`. */
static int
put_at(Own *own, PyObject *path, int is_add, PyObject *value)
{
    if (!PyUnicode_CheckExact(path) || !PyUnicode_IS_COMPACT_ASCII(path)) return 1;
    const char *step = PyUnicode_DATA(path), *const end = step + PyUnicode_GET_LENGTH(path);
    if (step == end || *step != '/' || memchr(step, '~', (size_t)(end - step)) != NULL) return 1;
    for (PyObject *at = own->parts[0];;) {
        step++;
        const char *stop = memchr(step, '/', (size_t)(end - step));
        const Py_ssize_t size = (stop == NULL ? end : stop) - step;
        PyObject *key = PyDict_CheckExact(at) ? PyUnicode_FromStringAndSize(step, size) : NULL;
        if (key == NULL && PyErr_Occurred()) return -1;
        int said = FINE;
        if (stop == NULL)
            said = put_value(at, key, step, size, is_add, value);
        else
            at = key != NULL ? own_value(own, at, key) : own_item(own, at, place_of(step, size));
        Py_XDECREF(key);
        if (stop == NULL) return said;
        if (at == NULL) return PyErr_Occurred() ? -1 : 1;
        step = stop;
    }
}

/* Apply one edit; as `put_value`. What stands in it is held, as keys of a dictionary may run code. */
static int
apply_edit(Own *own, PyObject *edit, PyObject *names)
{
    PyObject *fields[ADD] = {NULL};
    int said = PyDict_CheckExact(edit) ? FINE : ODD;
    for (int at = OP; !said && at < ADD; at++) {
        fields[at] = Py_XNewRef(PyDict_GetItemWithError(edit, PyTuple_GET_ITEM(names, at)));
        if (fields[at] == NULL) said = PyErr_Occurred() ? -1 : ODD;
    }
    if (!said && !PyUnicode_CheckExact(fields[OP])) said = ODD;
    if (!said) {
        const int is_add = PyUnicode_Compare(fields[OP], PyTuple_GET_ITEM(names, ADD)) == 0;
        const int fits = is_add || PyUnicode_Compare(fields[OP], PyTuple_GET_ITEM(names, REPLACE)) == 0;
        said = fits ? put_at(own, fields[PATH], is_add, fields[VALUE]) : ODD;
    }
    for (int at = OP; at < ADD; at++) Py_XDECREF(fields[at]);
    return said;
}

/* Whether it is a tuple of so many texts. */
int
are_names(PyObject *names, Py_ssize_t count)
{
    if (!PyTuple_Check(names) || PyTuple_GET_SIZE(names) != count) return 0;
    for (Py_ssize_t at = 0; at < count; at++)
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, at))) return 0;
    return 1;
}

/* apply_edits(document, edits, names) -> the document after them, or NotImplemented where one does not plainly fit.
 *
 * `names` are those of an edit's operation, path and value, and of the operations add and replace.
 */
PyObject *
apply_edits(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !are_names(args[2], EDIT_NAMES)) {
        PyErr_SetString(PyExc_TypeError, "apply_edits takes a document, edits and five names");
        return NULL;
    }
    PyObject *edits = PyList_Check(args[1]) || PyTuple_Check(args[1]) ? PySequence_Tuple(args[1]) : NULL;
    if (edits == NULL) {
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NOTIMPLEMENTED;
    }
    Own own = {.count = 0};
    int said = PyTuple_GET_SIZE(edits) == 0 || own_copy(&own, args[0]) == NULL ? ODD : FINE;
    for (Py_ssize_t at = 0; !said && at < PyTuple_GET_SIZE(edits); at++)
        said = apply_edit(&own, PyTuple_GET_ITEM(edits, at), args[2]);
    PyObject *made = said || PyErr_Occurred() ? NULL : Py_NewRef(own.parts[0]);
    while (own.count) Py_DECREF(own.parts[--own.count]);
    Py_DECREF(edits);
    if (made == NULL && !PyErr_Occurred()) Py_RETURN_NOTIMPLEMENTED;
    return made;
}

/* Whether an edit is one of three entries that puts a value at a known place: 1; 0 for one that is not surely so. */
static int
is_put(PyObject *edit, PyObject *names, PyObject *places)
{
    if (!PyDict_CheckExact(edit) || PyDict_GET_SIZE(edit) != ADD) return 0;
    PyObject *fields[ADD], *name;
    Py_ssize_t place = 0;
    for (int at = OP; at < ADD; at++) {
        if (!PyDict_Next(edit, &place, &name, &fields[at]) || !PyUnicode_CheckExact(name)) return 0;
        if (PyUnicode_Compare(name, PyTuple_GET_ITEM(names, at))) return 0;
    }
    if (!PyUnicode_CheckExact(fields[OP]) || !PyUnicode_CheckExact(fields[PATH])) return 0;
    if (PyUnicode_Compare(fields[OP], PyTuple_GET_ITEM(names, ADD)) &&
        PyUnicode_Compare(fields[OP], PyTuple_GET_ITEM(names, REPLACE)))
        return 0;
    return PyDict_GetItemWithError(places, fields[PATH]) == Py_True;
}

/* are_puts(edits, names, places) -> whether all surely put a value at a place of which `places` says True.
 *
 * `names` as in `apply_edits`. False says nothing of them.
 */
PyObject *
are_puts(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !are_names(args[1], EDIT_NAMES) || !PyDict_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "are_puts takes edits, five names and a dictionary");
        return NULL;
    }
    int fine = PyList_CheckExact(args[0]) || PyTuple_CheckExact(args[0]);
    for (Py_ssize_t at = 0; fine && at < PySequence_Fast_GET_SIZE(args[0]); at++)
        fine = is_put(PySequence_Fast_GET_ITEM(args[0], at), args[1], args[2]);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(fine);
}
