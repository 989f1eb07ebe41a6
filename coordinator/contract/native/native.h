/* A plan in C: its calls looked at in one pass, its nodes written.
 *
 * It does what `examined` and `walk` do in Python, of the same values and to the same bytes, and it knows no rule:
 * names are looked up in tables that it is given, amounts and texts that a detector of the scope may fire at are read
 * by functions that it is given, and a call that holds anything out of the ordinary (an unknown name, an odd number)
 * goes to the rules themselves. Property tests hold both ways to the same result. The module is optional: where it
 * cannot be compiled, Python does without it.
 */
#ifndef POLECATS_NATIVE_H
#define POLECATS_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Of what passes between the module and `examined`: one that was compiled from other sources is not used. */
enum { VERSION = 6 };

/* What a step says of a value; -1 is an exception. */
enum { FINE = 0, ODD = 1 };

enum {
    MOST_MEMBERS = 64, /* of an object */
    MOST_AMOUNTS = 16, /* objects of a call in which a name may state an amount */
    MOST_SUSPECTS = 8, /* texts of a call at which a detector of the scope may fire */
    NODE_VALUES = 8,   /* between the texts of `node` */
    PROVENANCE_VALUES = 4,
    DIGITS = 24, /* of a number at most, with its sign */
    HEX_OF_SHA256 = 64,
};

typedef struct {
    PyObject_HEAD PyObject *tools; /* a tool's name -> its canonical JSON, whether its amounts count, its level */
    PyObject *arguments;           /* a name -> LEVEL | AMOUNT | LISTED */
    PyObject *stated;              /* (object, whether amounts count) -> the volume that it states */
    PyObject *of_text;             /* (text, its name, tool) -> the volume and the level that it says by itself */
    PyObject *by_rules;            /* (call, index) -> what rules and scope say of a call that is not ordinary */
    PyObject *node, *provenance;   /* the texts around their values */
    PyObject *sha256, *hexdigest;
    long long max_integer, max_volume;
    int max_depth, default_level;
    Py_ssize_t max_bytes; /* of a call's arguments */
    char *buffer;         /* of max_bytes */
} Plans;

/* The pass through one call's arguments. While it lasts no Python code runs: nothing that is borrowed goes away. */
typedef struct {
    const Plans *by;
    char *data;
    Py_ssize_t size, room;
    int level;
    int is_sorted; /* whether the names of all objects stood in order */
    int objects;
    PyObject *stating[MOST_AMOUNTS];
    PyObject *under; /* the name that a text is under; NULL where texts are not to be looked at again */
    int texts;
    PyObject *suspects[MOST_SUSPECTS], *names[MOST_SUSPECTS];
} Walk;

/* Of what `examine` says of a call. */
enum { NAME, CANONICAL, VOLUME, SENSITIVITY, WRITTEN, SAID };

Py_ssize_t write_number(char *to, long long number);
int put(Walk *walk, const char *data, Py_ssize_t size);
int put_string(Walk *walk, const char *data, Py_ssize_t size);
int put_text(Walk *walk, PyObject *text);
int put_name(Walk *walk, const char *name, Py_ssize_t size);
int is_plain_name(const char *name, Py_ssize_t size);

int is_told(PyObject *said);
int are_names(PyObject *names, Py_ssize_t count);
long long end_of(PyObject *edge, Py_ssize_t end);
PyObject *sha256_of(const Plans *self, PyObject *bytes);
PyObject *without_tables(void); /* an exception, for a Plans that was never filled */
PyObject *plans_examine(Plans *self, PyObject *calls);
PyObject *plans_are_plain(PyObject *self, PyObject *args);
PyObject *plans_intent(Plans *self, PyObject *const *args, Py_ssize_t count);
PyObject *plans_plan(Plans *self, PyObject *const *args, Py_ssize_t count);
PyObject *apply_edits(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *are_puts(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *look_at_plan(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *read_json(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *read_calls(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
