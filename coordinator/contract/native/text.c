/* Texts: whether a detector of the scope may fire at one, and their JSON. */
#include "native.h"

enum { ESCAPED = 1, DIGIT = 2, CAPITAL = 4, AT = 8, NUL = 16 };
enum { SUSPICIOUS_DIGITS = 9 };

#define E7 ESCAPED, ESCAPED, ESCAPED, ESCAPED, ESCAPED, ESCAPED, ESCAPED
#define E8 E7, ESCAPED
#define D5 DIGIT, DIGIT, DIGIT, DIGIT, DIGIT
#define C13                                                                                                            \
    CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL, CAPITAL

static const unsigned char CLASS[256] = {
    [0] = ESCAPED | NUL, E7, E8, E8, E8, ['"'] = ESCAPED, ['0'] = D5, D5, ['@'] = AT, C13, C13, ['\\'] = ESCAPED,
};

static int
is_gap(unsigned char c)
{
    return c == ' ' || c == '(' || c == ')' || c == '.' || c == '-';
}

/* Whether digits may be a card, a telephone, an account: nine with gaps between, `+4`, `GB82`. */
static int
has_number(const unsigned char *text, Py_ssize_t size)
{
    int digits = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        if (CLASS[text[at]] != DIGIT) {
            if (!is_gap(text[at])) digits = 0;
            continue;
        }
        if (++digits == SUSPICIOUS_DIGITS || (at && text[at - 1] == '+')) return 1;
        if (at >= 3 && CLASS[text[at - 1]] == DIGIT && CLASS[text[at - 2]] == CAPITAL && CLASS[text[at - 3]] == CAPITAL)
            return 1;
    }
    return 0;
}

static int
has_word(const unsigned char *text, Py_ssize_t size, const char *word)
{
    const size_t length = strlen(word);
    const unsigned char *end = text + size;
    while ((size_t)(end - text) >= length) {
        text = memchr(text, word[0], (size_t)(end - text) - length + 1);
        if (text == NULL) return 0;
        if (memcmp(text, word, length) == 0) return 1;
        text++;
    }
    return 0;
}

/* Whether a text begins as a statement of SQL does. */
static int
is_sql(const unsigned char *text, Py_ssize_t size)
{
    static const char *const words[] = {"select", "with", "delete", "update", "drop", "truncate"};
    Py_ssize_t at = 0;
    while (at < size && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'))) at++;
    for (size_t word = 0; word < sizeof words / sizeof *words; word++) {
        Py_ssize_t length = 0;
        while (words[word][length] && at + length < size && (text[at + length] | 0x20) == words[word][length]) length++;
        if (!words[word][length]) return 1;
    }
    return 0;
}

/* Whether `scope` must look at a text; generously. `found`: the classes of all its bytes. */
static int
is_suspicious(const unsigned char *text, Py_ssize_t size, unsigned char found)
{
    if ((found & AT) || (size && (text[0] == '*' || text[0] == '%'))) return 1;
    if ((found & DIGIT) && has_number(text, size)) return 1;
    if ((found & CAPITAL) && (has_word(text, size, "eyJ") || has_word(text, size, "-BEGIN"))) return 1;
    return is_sql(text, size);
}

Py_ssize_t
write_number(char *to, long long number)
{
    char digits[DIGITS];
    Py_ssize_t count = 0, size = 0;
    unsigned long long left = number < 0 ? -(unsigned long long)number : (unsigned long long)number;
    do digits[count++] = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0) to[size++] = '-';
    while (count) to[size++] = digits[--count];
    return size;
}

int
put(Walk *walk, const char *data, Py_ssize_t size)
{
    if (size > walk->room - walk->size) return ODD;
    memcpy(walk->data + walk->size, data, (size_t)size);
    walk->size += size;
    return FINE;
}

static int
put_escaped(Walk *walk, const char *text, Py_ssize_t size)
{
    static const char short_forms[] = "btn\0fr"; /* of \b to \r */
    Py_ssize_t from = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        const unsigned char c = (unsigned char)text[at];
        if (!(CLASS[c] & ESCAPED)) continue;
        char escape[8] = {'\\', (char)c, 0};
        if (c >= '\b' && c <= '\r' && short_forms[c - '\b'])
            escape[1] = short_forms[c - '\b'];
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        if (put(walk, text + from, at - from) || put(walk, escape, (Py_ssize_t)strlen(escape))) return ODD;
        from = at + 1;
    }
    return put(walk, text + from, size - from);
}

static unsigned char
classes_of(const char *data, Py_ssize_t size)
{
    unsigned char found = 0;
    for (Py_ssize_t at = 0; at < size; at++) found |= CLASS[(unsigned char)data[at]];
    return found;
}

static int
put_quoted(Walk *walk, const char *data, Py_ssize_t size, unsigned char found)
{
    if (put(walk, "\"", 1)) return ODD;
    if (found & ESCAPED ? put_escaped(walk, data, size) : put(walk, data, size)) return ODD;
    return put(walk, "\"", 1);
}

int
put_text(Walk *walk, PyObject *text)
{
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear(); /* half of a surrogate pair */
        return ODD;
    }
    const unsigned char found = classes_of(data, size);
    if (found & NUL) return ODD;
    if (walk->under != NULL && is_suspicious((const unsigned char *)data, size, found)) {
        if (walk->texts == MOST_SUSPECTS) return ODD;
        walk->suspects[walk->texts] = text;
        walk->names[walk->texts++] = walk->under;
    }
    return put_quoted(walk, data, size, found);
}

/* A text of which the scope wants to know nothing. */
int
put_string(Walk *walk, const char *data, Py_ssize_t size)
{
    return put_quoted(walk, data, size, classes_of(data, size));
}

/* A name that is its own JSON, and ASCII: so the order of names is the order of their bytes. */
int
is_plain_name(const char *name, Py_ssize_t size)
{
    return !(classes_of(name, size) & ESCAPED);
}

int
put_name(Walk *walk, const char *name, Py_ssize_t size)
{
    return put(walk, "\"", 1) || put(walk, name, size) || put(walk, "\":", 2);
}
