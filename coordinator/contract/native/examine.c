/* What rules and scope say of calls, and the two JSON texts of their arguments: canonical, and in their own order. */
#include "native.h"

enum { LEVEL = 7, AMOUNT = 8, LISTED = 16 }; /* of a name's entry in `arguments`; see `walk` */

typedef struct {
    const char *name;
    Py_ssize_t size;
    PyObject *key, *value;
    long entry;
} Member;

static int
put_integer(Walk *walk, PyObject *value)
{
    int overflow;
    char digits[DIGITS];
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number > walk->by->max_integer || number < -walk->by->max_integer) return ODD;
    return put(walk, digits, write_number(digits, number));
}

/* A float of which Python writes the canonical digits: without exponent, and not a whole number. */
static int
put_float(Walk *walk, double number)
{
    const double size = number < 0 ? -number : number;
    if (!(size >= 1e-3 && size < 1e15) || size == (double)(long long)size) return ODD;
    char *digits = PyOS_double_to_string(number, 'r', 0, 0, NULL);
    if (digits == NULL) return -1;
    const int said = put(walk, digits, (Py_ssize_t)strlen(digits));
    PyMem_Free(digits);
    return said;
}

typedef int Put(Walk *walk, PyObject *object, int depth);

/* `put_object`: how an object is written. `depth`: how deep the value may be. */
static int
put_value(Walk *walk, PyObject *value, int depth, Put *put_object)
{
    if (PyUnicode_CheckExact(value)) return put_text(walk, value);
    if (PyLong_CheckExact(value)) return put_integer(walk, value);
    if (PyFloat_CheckExact(value)) return put_float(walk, PyFloat_AS_DOUBLE(value));
    if (value == Py_True) return put(walk, "true", 4);
    if (value == Py_False) return put(walk, "false", 5);
    if (value == Py_None) return put(walk, "null", 4);
    if (depth < 1) return ODD;
    if (PyDict_CheckExact(value)) return put_object(walk, value, depth - 1);
    if (!PyList_CheckExact(value) || put(walk, "[", 1)) return ODD;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(value); at++) {
        if (at && put(walk, ",", 1)) return ODD;
        const int said = put_value(walk, PyList_GET_ITEM(value, at), depth - 1, put_object);
        if (said) return said;
    }
    return put(walk, "]", 1);
}

/* Whether `member` comes before `other`. */
static int
is_before(const Member *member, const Member *other)
{
    const Py_ssize_t common = member->size < other->size ? member->size : other->size;
    const int order = memcmp(member->name, other->name, (size_t)common);
    return order < 0 || (order == 0 && member->size < other->size);
}

static int
sorted_members(Walk *walk, PyObject *object, Member *members)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    int count = 0;
    while (PyDict_Next(object, &place, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT_ASCII(name)) return ODD;
        PyObject *entry = PyDict_GetItemWithError(walk->by->arguments, name);
        if (entry == NULL) return PyErr_Occurred() ? -1 : ODD;
        const Member member = {PyUnicode_DATA(name), PyUnicode_GET_LENGTH(name), name, value, PyLong_AsLong(entry)};
        if (member.entry == -1 && PyErr_Occurred()) return -1;
        if (!is_plain_name(member.name, member.size)) return ODD;
        int at = count++;
        for (; at > 0 && is_before(&member, &members[at - 1]); at--) members[at] = members[at - 1];
        if (at < count - 1) walk->is_sorted = 0;
        members[at] = member;
    }
    return FINE;
}

static int
may_state(const Member *member)
{
    PyObject *value = member->value;
    return ((member->entry & LISTED) && PyList_CheckExact(value)) ||
           ((member->entry & AMOUNT) && (PyLong_CheckExact(value) || PyBool_Check(value) || value == Py_None));
}

static int
put_canonical(Walk *walk, PyObject *object, int depth)
{
    Member members[MOST_MEMBERS];
    const Py_ssize_t count = PyDict_GET_SIZE(object);
    if (count > MOST_MEMBERS || put(walk, "{", 1)) return ODD;
    PyObject *outer = walk->under;
    int states = 0, said = sorted_members(walk, object, members);
    for (Py_ssize_t at = 0; !said && at < count; at++) {
        const Member *member = &members[at];
        const int level = (int)(member->entry & LEVEL);
        if (level > walk->level) walk->level = level;
        states |= may_state(member);
        if ((at && put(walk, ",", 1)) || put_name(walk, member->name, member->size)) return ODD;
        walk->under = member->key;
        said = put_value(walk, member->value, depth, put_canonical);
    }
    if (said) return said;
    walk->under = outer; /* for the texts behind it in a list */
    if (states) {
        if (walk->objects == MOST_AMOUNTS) return ODD;
        walk->stating[walk->objects++] = object;
    }
    return put(walk, "}", 1);
}

/* As it stands; of an object whose canonical JSON could be written. */
static int
put_as_is(Walk *walk, PyObject *object, int depth)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    const char *before = "{";
    while (PyDict_Next(object, &place, &name, &value)) {
        if (put(walk, before, 1) || put_name(walk, PyUnicode_DATA(name), PyUnicode_GET_LENGTH(name))) return ODD;
        const int said = put_value(walk, value, depth, put_as_is);
        if (said) return said;
        before = ",";
    }
    return *before == '{' ? put(walk, "{}", 2) : put(walk, "}", 1);
}

/* The highest volume that the objects state; -1 with an exception. */
static long long
stated(const Walk *walk, PyObject *counts)
{
    long long volume = 1;
    for (int at = 0; at < walk->objects; at++) {
        PyObject *said = PyObject_CallFunctionObjArgs(walk->by->stated, walk->stating[at], counts, NULL);
        if (said == NULL) return -1;
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(said, &overflow);
        Py_DECREF(said);
        if (number == -1 && PyErr_Occurred()) return -1;
        if (overflow > 0 || number > walk->by->max_volume) number = walk->by->max_volume;
        if (number > volume) volume = number;
    }
    return volume;
}

/* What the texts say by themselves, where that is more; -1 with an exception. */
static int
of_texts(const Walk *walk, PyObject *tool, long long *volume, long *level)
{
    for (int at = 0; at < walk->texts; at++) {
        PyObject *said =
            PyObject_CallFunctionObjArgs(walk->by->of_text, walk->suspects[at], walk->names[at], tool, NULL);
        if (said == NULL) return -1;
        long long of_it;
        long its_level;
        const int fine = PyTuple_Check(said) && PyArg_ParseTuple(said, "Ll", &of_it, &its_level);
        if (!fine && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a text says a volume and a level");
        Py_DECREF(said);
        if (!fine) return -1;
        if (of_it > *volume) *volume = of_it;
        if (its_level > *level) *level = its_level;
    }
    return FINE;
}

/* Hold what is asked about in Python, or let it go: what the arguments hold may change meanwhile. */
static void
hold(const Walk *walk, int change)
{
    PyObject *const *const lists[] = {walk->stating, walk->suspects, walk->names};
    const int counts[] = {walk->objects, walk->texts, walk->texts};
    for (int list = 0; list < 3; list++)
        for (int at = 0; at < counts[list]; at++) change > 0 ? Py_INCREF(lists[list][at]) : Py_DECREF(lists[list][at]);
}

static PyObject *
told(const Walk *walk, PyObject *tool, PyObject *name, PyObject *canonical, PyObject *written, PyObject *counts)
{
    hold(walk, 1);
    long long volume = stated(walk, counts);
    long level = walk->level ? walk->level : walk->by->default_level;
    const int odd = volume < 0 || of_texts(walk, tool, &volume, &level);
    hold(walk, -1);
    if (odd) return NULL;
    PyObject *values[] = {
        Py_NewRef(name), Py_NewRef(canonical), PyLong_FromLongLong(volume), PyLong_FromLong(level), Py_NewRef(written),
    };
    PyObject *made = PyTuple_New(SAID);
    for (int at = 0; at < SAID; at++) {
        if (made != NULL && values[at] != NULL) {
            PyTuple_SET_ITEM(made, at, values[at]);
        } else {
            Py_CLEAR(made);
            Py_XDECREF(values[at]);
        }
    }
    return made;
}

/* The pass through the arguments of a call to a tool with this entry; ODD where the rules must look at them. */
static int
examine_arguments(Plans *self, PyObject *tool, PyObject *entry, PyObject *arguments, PyObject **found)
{
    Walk walk = {.by = self, .data = self->buffer, .room = self->max_bytes, .is_sorted = 1};
    PyObject *name = PyTuple_GET_ITEM(entry, 0), *counts = PyTuple_GET_ITEM(entry, 1);
    walk.level = (int)PyLong_AsLong(PyTuple_GET_ITEM(entry, 2));
    if (walk.level == -1 && PyErr_Occurred()) return -1;
    int said = put_canonical(&walk, arguments, self->max_depth - 1);
    if (said) return said;
    PyObject *canonical = PyBytes_FromStringAndSize(walk.data, walk.size), *written = NULL;
    if (canonical == NULL) return -1;
    if (walk.is_sorted) {
        written = Py_NewRef(canonical);
    } else {
        walk.size = 0;
        said = put_as_is(&walk, arguments, self->max_depth - 1);
        if (!said) written = PyBytes_FromStringAndSize(walk.data, walk.size);
    }
    if (written != NULL) *found = told(&walk, tool, name, canonical, written, counts);
    Py_DECREF(canonical);
    Py_XDECREF(written);
    return said ? said : *found == NULL ? -1 : FINE;
}

static int
examine(Plans *self, PyObject *call, PyObject **found)
{
    if (!PyTuple_Check(call) || PyTuple_GET_SIZE(call) < 2) return ODD;
    PyObject *name = PyTuple_GET_ITEM(call, 0), *arguments = PyTuple_GET_ITEM(call, 1);
    if (!PyUnicode_CheckExact(name) || !PyDict_CheckExact(arguments)) return ODD;
    PyObject *entry = PyDict_GetItemWithError(self->tools, name);
    if (entry == NULL) return PyErr_Occurred() ? -1 : ODD;
    if (!PyTuple_Check(entry) || PyTuple_GET_SIZE(entry) != 3 || !PyBytes_Check(PyTuple_GET_ITEM(entry, 0))) {
        PyErr_SetString(PyExc_TypeError, "the entry of a tool is its JSON, whether its amounts count, and its level");
        return -1;
    }
    Py_INCREF(entry); /* tables forget what they hold before they grow too big */
    const int said = examine_arguments(self, name, entry, arguments, found);
    Py_DECREF(entry);
    return said;
}

PyObject *
plans_examine(Plans *self, PyObject *calls)
{
    if (self->buffer == NULL) return without_tables();
    PyObject *items = PySequence_Tuple(calls);
    if (items == NULL) return NULL;
    const Py_ssize_t count = PyTuple_GET_SIZE(items);
    PyObject *all = PyList_New(count);
    for (Py_ssize_t at = 0; all != NULL && at < count; at++) {
        PyObject *call = PyTuple_GET_ITEM(items, at), *one = NULL;
        if (examine(self, call, &one) == ODD) {
            PyObject *index = PyLong_FromSsize_t(at);
            one = index == NULL ? NULL : PyObject_CallFunctionObjArgs(self->by_rules, call, index, NULL);
            Py_XDECREF(index);
        }
        if (one == NULL)
            Py_CLEAR(all);
        else
            PyList_SET_ITEM(all, at, one);
    }
    Py_DECREF(items);
    return all;
}

/* are_plain(calls, kind): whether each is a `kind`, of an ASCII name, a dictionary and a tier from 1 to 3. */
PyObject *
plans_are_plain(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *calls, *kind;
    if (!PyArg_ParseTuple(args, "OO", &calls, &kind)) return NULL;
    if (!PyList_CheckExact(calls) && !PyTuple_CheckExact(calls)) Py_RETURN_FALSE;
    for (Py_ssize_t at = 0; at < PySequence_Fast_GET_SIZE(calls); at++) {
        PyObject *call = PySequence_Fast_GET_ITEM(calls, at);
        if ((PyObject *)Py_TYPE(call) != kind || !PyTuple_Check(call) || PyTuple_GET_SIZE(call) != 3) Py_RETURN_FALSE;
        PyObject *name = PyTuple_GET_ITEM(call, 0), *tier = PyTuple_GET_ITEM(call, 2);
        if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT_ASCII(name)) Py_RETURN_FALSE;
        if (!PyDict_CheckExact(PyTuple_GET_ITEM(call, 1)) || !PyLong_CheckExact(tier)) Py_RETURN_FALSE;
        int overflow;
        const long number = PyLong_AsLongAndOverflow(tier, &overflow);
        if (overflow || number < 1 || number > 3) Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}
