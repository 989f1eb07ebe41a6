/* The module: one type, which holds the tables and the buffer. */
#include "native.h"

#include <structmember.h>

/* Whether a tuple holds `size` bytes. */
static int
holds_bytes(PyObject *tuple, Py_ssize_t size)
{
    if (PyTuple_GET_SIZE(tuple) != size) return 0;
    for (Py_ssize_t at = 0; at < size; at++)
        if (!PyBytes_Check(PyTuple_GET_ITEM(tuple, at))) return 0;
    return 1;
}

PyObject *
without_tables(void)
{
    PyErr_SetString(PyExc_ValueError, "Plans without tables");
    return NULL;
}

static int
init(Plans *self, PyObject *args, PyObject *named)
{
    static char *names[] = {"tools",       "arguments",  "stated",        "of_text",   "by_rules",
                            "node",        "provenance", "sha256",        "max_bytes", "max_depth",
                            "max_integer", "max_volume", "default_level", NULL};
    PyObject *tools, *arguments, *stated, *of_text, *by_rules, *node, *provenance, *sha256;
    if (!PyArg_ParseTupleAndKeywords(args, named, "$O!O!OOOO!O!OniLLi", names, &PyDict_Type, &tools, &PyDict_Type,
                                     &arguments, &stated, &of_text, &by_rules, &PyTuple_Type, &node, &PyTuple_Type,
                                     &provenance, &sha256, &self->max_bytes, &self->max_depth, &self->max_integer,
                                     &self->max_volume, &self->default_level))
        return -1;
    if (self->buffer != NULL || self->max_bytes < 1 || !holds_bytes(node, NODE_VALUES + 1) ||
        !holds_bytes(provenance, PROVENANCE_VALUES + 1)) {
        PyErr_SetString(PyExc_ValueError, "made twice, a size that cannot be, or texts of the wrong number");
        return -1;
    }
    self->hexdigest = PyUnicode_InternFromString("hexdigest");
    self->buffer = PyMem_Malloc((size_t)self->max_bytes);
    if (self->buffer == NULL || self->hexdigest == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->tools = Py_NewRef(tools);
    self->arguments = Py_NewRef(arguments);
    self->stated = Py_NewRef(stated);
    self->of_text = Py_NewRef(of_text);
    self->by_rules = Py_NewRef(by_rules);
    self->node = Py_NewRef(node);
    self->provenance = Py_NewRef(provenance);
    self->sha256 = Py_NewRef(sha256);
    return 0;
}

static void
dealloc(Plans *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *held[] = {self->tools, self->arguments,  self->stated, self->of_text,  self->by_rules,
                        self->node,  self->provenance, self->sha256, self->hexdigest};
    for (size_t at = 0; at < sizeof held / sizeof *held; at++) Py_XDECREF(held[at]);
    PyMem_Free(self->buffer);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"examine", (PyCFunction)plans_examine, METH_O, "What rules and scope say of each call."},
    {"plan", (PyCFunction)(void (*)(void))plans_plan, METH_FASTCALL, "The plan as JSON."},
    {"are_plain", plans_are_plain, METH_VARARGS, "Whether each is a call of that type with ordinary fields."},
    {"intent_hash", (PyCFunction)(void (*)(void))plans_intent, METH_FASTCALL, "The key of exact duplicates."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Plans with their tables; see `examined`."},
    {Py_tp_init, init},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"coordinator.contract._native.Plans", sizeof(Plans), 0, Py_TPFLAGS_DEFAULT, slots};

static int
fill(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);
    const int said = type == NULL ? -1 : PyModule_AddObjectRef(module, "Plans", type);
    Py_XDECREF(type);
    return said ? said : PyModule_AddIntConstant(module, "VERSION", VERSION);
}

static PyMethodDef functions[] = {
    {"apply_edits", (PyCFunction)(void (*)(void))apply_edits, METH_FASTCALL, "A row after edits, if all plainly fit."},
    {"are_puts", (PyCFunction)(void (*)(void))are_puts, METH_FASTCALL, "Whether edits put values at known places."},
    {"look_at_plan", (PyCFunction)(void (*)(void))look_at_plan, METH_FASTCALL, "A plan's calls and edges, if plain."},
    {"read_calls", (PyCFunction)(void (*)(void))read_calls, METH_FASTCALL, "Recorded calls, if all are plain."},
    {"read_json", (PyCFunction)(void (*)(void))read_json, METH_FASTCALL,
     "A text's value, if that is not for another to say."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, fill}, {0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "A plan in C; see `examined`, which do without it where it is not there.",
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
