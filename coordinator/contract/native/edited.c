/* The calls and edges of a plan that edits have made: see `tiers.child`, which does what is not plain here. */
#include "native.h"

enum { NODE_ID, TOOL_NAME, ARGUMENTS, TIER, NODE_NAMES };

/* What is known of a call by the identity of its arguments, if it is of that tool: borrowed, or None; NULL is an
 * exception. */
static PyObject *
known_of(PyObject *known, PyObject *name, PyObject *arguments)
{
    PyObject *identity = PyLong_FromVoidPtr(arguments);
    PyObject *found = identity == NULL ? NULL : PyDict_GetItemWithError(known, identity);
    Py_XDECREF(identity);
    if (found == NULL) return PyErr_Occurred() ? NULL : Py_None;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 2 || !PyUnicode_Check(PyTuple_GET_ITEM(found, 0)))
        return Py_None;
    return PyUnicode_Compare(PyTuple_GET_ITEM(found, 0), name) ? Py_None : PyTuple_GET_ITEM(found, 1);
}

/* Enter one node into all three; 1 for one that is not plain, -1 for an exception. */
static int
look_at(PyObject *node, Py_ssize_t at, PyObject *known, PyObject *names, PyObject *places, PyObject *calls,
        PyObject *told)
{
    PyObject *fields[NODE_NAMES] = {NULL}, *place = NULL, *call = NULL, *said = NULL;
    int result = PyDict_CheckExact(node) ? FINE : ODD;
    for (int name = 0; !result && name < NODE_NAMES; name++) {
        fields[name] = Py_XNewRef(PyDict_GetItemWithError(node, PyTuple_GET_ITEM(names, name)));
        if (fields[name] == NULL) result = PyErr_Occurred() ? -1 : ODD;
    }
    if (!result && (!PyUnicode_CheckExact(fields[NODE_ID]) || !PyUnicode_CheckExact(fields[TOOL_NAME]) ||
                    !PyLong_CheckExact(fields[TIER])))
        result = ODD;
    if (!result) {
        int over = 0;
        const long tier = PyLong_AsLongAndOverflow(fields[TIER], &over);
        if (over || tier < 1 || tier > 3) result = ODD;
    }
    if (!result) {
        place = PyLong_FromSsize_t(at);
        call = PyTuple_Pack(3, fields[TOOL_NAME], fields[ARGUMENTS], fields[TIER]);
        said = known_of(known, fields[TOOL_NAME], fields[ARGUMENTS]);
        if (place == NULL || call == NULL || said == NULL || PyDict_SetItem(places, fields[NODE_ID], place) ||
            PyList_Append(calls, call) || PyList_Append(told, said))
            result = -1;
    }
    Py_XDECREF(place);
    Py_XDECREF(call);
    for (int name = 0; name < NODE_NAMES; name++) Py_XDECREF(fields[name]);
    return result;
}

/* One end of an edge as a place, borrowed; NULL with or without an exception. */
static PyObject *
place_of_end(PyObject *places, PyObject *edge, int end)
{
    PyObject *name = PyList_Check(edge) ? PyList_GET_ITEM(edge, end) : PyTuple_GET_ITEM(edge, end);
    return PyUnicode_CheckExact(name) ? PyDict_GetItemWithError(places, name) : NULL;
}

/* The edges of a plan as sorted pairs of places; 1 where one is none, runs backwards or stands twice. */
static int
look_at_edges(PyObject *edges, PyObject *places, PyObject *pairs)
{
    if (!PyList_CheckExact(edges)) return ODD;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(edges); at++) {
        PyObject *edge = PyList_GET_ITEM(edges, at);
        if (!(PyList_CheckExact(edge) || PyTuple_CheckExact(edge)) || Py_SIZE(edge) != 2) return ODD;
        PyObject *start = place_of_end(places, edge, 0), *end = start ? place_of_end(places, edge, 1) : NULL;
        PyObject *pair = end == NULL ? NULL : PyTuple_Pack(2, start, end);
        const int said = pair == NULL ? (PyErr_Occurred() ? -1 : ODD) : PyList_Append(pairs, pair);
        Py_XDECREF(pair);
        if (said) return said;
    }
    if (PyList_Sort(pairs)) return -1;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(pairs); at++) {
        PyObject *pair = PyList_GET_ITEM(pairs, at);
        if (end_of(pair, 0) >= end_of(pair, 1)) return ODD;
        const int twice = at ? PyObject_RichCompareBool(PyList_GET_ITEM(pairs, at - 1), pair, Py_EQ) : 0;
        if (twice) return twice < 0 ? -1 : ODD;
    }
    return FINE;
}

/* look_at_plan(nodes, edges, known, names) -> (the place of each node by its id, their calls, what is known of each
 * call or None, the edges as sorted pairs of places), or NotImplemented where a node or an edge is not plain.
 *
 * `known` has (tool, what is known) by the `id` of arguments; `names` are those of a node's id, tool, arguments, tier.
 */
PyObject *
look_at_plan(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyDict_CheckExact(args[2]) || !are_names(args[3], NODE_NAMES)) {
        PyErr_SetString(PyExc_TypeError, "look_at_plan takes nodes, edges, a dictionary and four names");
        return NULL;
    }
    if (!PyList_Check(args[0])) Py_RETURN_NOTIMPLEMENTED;
    PyObject *nodes = PyList_AsTuple(args[0]);
    PyObject *places = PyDict_New(), *calls = PyList_New(0), *told = PyList_New(0), *pairs = PyList_New(0);
    int said = nodes == NULL || places == NULL || calls == NULL || told == NULL || pairs == NULL ? -1 : FINE;
    for (Py_ssize_t at = 0; !said && at < PyTuple_GET_SIZE(nodes); at++)
        said = look_at(PyTuple_GET_ITEM(nodes, at), at, args[2], args[3], places, calls, told);
    if (!said) said = look_at_edges(args[1], places, pairs);
    PyObject *found = said ? NULL : PyTuple_Pack(4, places, calls, told, pairs);
    PyObject *held[] = {nodes, places, calls, told, pairs};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++) Py_XDECREF(held[at]);
    if (said == ODD) Py_RETURN_NOTIMPLEMENTED;
    return found;
}
