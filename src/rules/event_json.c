#include "event_json.h"

#include <math.h>
#include <string.h>

/* All functions here take where to read, and return where to go on, or NULL when that is not plain. None reads beyond
 * the LF, since none accepts it. */

enum { DEEPEST = 16, MOST_DIGITS = 15 /* exact as a double, too */ };

static const char *skip_blanks(const char *at) {
  while (*at == ' ' || *at == '\t' || *at == '\r')
    at++;
  return at;
}

/* What follows `c` and the blanks around it. */
static const char *expect(const char *at, char c) {
  at = skip_blanks(at);
  return *at == c ? skip_blanks(at + 1) : NULL;
}

static const char *skip_word(const char *at, const char *word) {
  for (; *word != '\0'; word++, at++)
    if (*at != *word)
      return NULL;
  return at;
}

/* ---- strings ----------------------------------------------------------------------------- */

static int hex_digit(char c) {
  char lower = (char)(c | 0x20);
  return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four digits of \u. Zero and half of a surrogate pair are not plain. */
static const char *read_code(const char *at, unsigned *code) {
  *code = 0;
  for (int i = 0; i < 4; i++, at++) {
    int digit = hex_digit(*at);
    if (digit < 0)
      return NULL;
    *code = *code << 4 | (unsigned)digit;
  }
  return *code != 0 && (*code < 0xD800 || *code > 0xDFFF) ? at : NULL;
}

/* What follows a backslash. */
static const char *read_escape(const char *at, unsigned *code) {
  static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
  if (*at == 'u')
    return read_code(at + 1, code);
  const char *name = *at != '\0' ? strchr(names, *at) : NULL;
  *code = name != NULL ? (unsigned char)codes[name - names] : 0;
  return name != NULL ? at + 1 : NULL;
}

/* Finds the closing quote of a string; `at` is after the opening one. */
static const char *find_quote(const char *at, bool *escaped) {
  unsigned code;
  *escaped = false;
  while (at != NULL && *at != '"') {
    if (*at == '\\') {
      *escaped = true;
      at = read_escape(at + 1, &code);
    } else {
      at = (unsigned char)*at >= 0x20 ? at + 1 : NULL;
    }
  }
  return at;
}

static const char *skip_string(const char *at) {
  bool escaped;
  at = *at == '"' ? find_quote(at + 1, &escaped) : NULL;
  return at != NULL ? at + 1 : NULL;
}

/* A string without escapes; `text` is what is between its quotes. */
static const char *read_plain(const char *at, const char **text, size_t *size) {
  bool escaped;
  *text = at + 1;
  at = *at == '"' ? find_quote(at + 1, &escaped) : NULL;
  if (at == NULL || escaped)
    return NULL;
  *size = (size_t)(at - *text);
  return at + 1;
}

static size_t put_code(unsigned code, char *utf8) {
  if (code < 0x80) {
    utf8[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    utf8[0] = (char)(0xC0 | code >> 6);
    utf8[1] = (char)(0x80 | (code & 0x3F));
    return 2;
  }
  utf8[0] = (char)(0xE0 | code >> 12);
  utf8[1] = (char)(0x80 | (code >> 6 & 0x3F));
  utf8[2] = (char)(0x80 | (code & 0x3F));
  return 3;
}

/* A string of at most LC_COMPANY_MAX bytes, escapes included. One with escapes is decoded in `room`. */
static const char *read_text(const char *at, lc_text *text, char *room) {
  bool escaped;
  unsigned code;
  const char *end = find_quote(++at, &escaped);
  if (end == NULL || end == at || end - at > LC_COMPANY_MAX)
    return NULL;
  *text = (lc_text){ at, (size_t)(end - at) };
  if (!escaped)
    return end + 1;
  *text = (lc_text){ room, 0 };
  while (at < end) {
    if (*at == '\\') {
      at = read_escape(at + 1, &code);
      text->size += put_code(code, room + text->size);
    } else {
      room[text->size++] = *at++;
    }
  }
  return end + 1;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static const char *skip_integer(const char *at) {
  const char *first = *at == '-' ? at + 1 : at, *end = first;
  while (is_digit(*end))
    end++;
  bool plain = end > first && end - first <= MOST_DIGITS && (*first != '0' || (end == first + 1 && first == at));
  return plain ? end : NULL;
}

/* A number without exponent. */
static const char *skip_number(const char *at) {
  const char *point = skip_integer(at), *end = point;
  if (point == NULL || *point == 'e' || *point == 'E')
    return NULL;
  if (*point != '.')
    return point;
  do
    end++;
  while (is_digit(*end) && end - point <= MOST_DIGITS);
  return end > point + 1 && !is_digit(*end) && *end != 'e' && *end != 'E' ? end : NULL;
}

/* A whole number, without fraction and exponent. */
static const char *read_integer(const char *at, int64_t *integer) {
  const char *end = skip_integer(at);
  if (end == NULL || *end == '.' || *end == 'e' || *end == 'E')
    return NULL;
  *integer = 0;
  for (const char *digit = *at == '-' ? at + 1 : at; digit < end; digit++)
    *integer = *integer * 10 + (*digit - '0');
  if (*at == '-')
    *integer = -*integer;
  return end;
}

/* ---- values that are skipped ------------------------------------------------------------- */

static const char *skip_value(const char *at, int depth);

/* Reads the value of a field, which lies within `depth` objects and lists. */
typedef const char *read_field(const char *at, const char *name, size_t size, int depth, lc_event *event);

/* An object: `read` reads the value of each field. Inline, so that it is called directly. */
static inline const char *read_fields(const char *at, read_field *read, int depth, lc_event *event) {
  const char *name;
  size_t size;
  at = expect(at, '{');
  if (at == NULL || *at == '}')
    return at != NULL ? at + 1 : NULL;
  for (;; at = skip_blanks(at + 1)) {
    at = read_plain(at, &name, &size);
    at = at != NULL ? expect(at, ':') : NULL;
    at = at != NULL ? read(at, name, size, depth, event) : NULL;
    at = at != NULL ? skip_blanks(at) : NULL;
    if (at == NULL || *at != ',')
      return at != NULL && *at == '}' ? at + 1 : NULL;
  }
}

static const char *skip_field(const char *at, const char *name, size_t size, int depth, lc_event *event) {
  (void)name, (void)size, (void)event;
  return *at == 'n' ? skip_word(at, "null") : skip_value(at, depth);
}

/* A list without null. */
static const char *skip_items(const char *at, int depth) {
  at = skip_blanks(at + 1);
  if (*at == ']')
    return at + 1;
  for (;; at = skip_blanks(at + 1)) {
    at = skip_value(at, depth);
    at = at != NULL ? skip_blanks(at) : NULL;
    if (at == NULL || *at != ',')
      return at != NULL && *at == ']' ? at + 1 : NULL;
  }
}

/* Any value but null. */
static const char *skip_value(const char *at, int depth) {
  if (depth == DEEPEST)
    return NULL;
  switch (*at) {
    case '"': return skip_string(at);
    case '{': return read_fields(at, skip_field, depth + 1, NULL);
    case '[': return skip_items(at, depth + 1);
    case 't': return skip_word(at, "true");
    case 'f': return skip_word(at, "false");
    default: return skip_number(at);
  }
}

/* ---- fields ------------------------------------------------------------------------------ */

#define IS(name, size, literal) (size == sizeof literal - 1 && memcmp(name, literal, sizeof literal - 1) == 0)

static const char *read_trigger(const char *at, const lc_triggers *own, lc_trigger *trigger) {
  const char *name;
  size_t size;
  at = read_plain(at, &name, &size);
  int found = at != NULL ? lc_trigger_number(own, name, size) : -1;
  *trigger = (lc_trigger)found;
  return found >= 0 ? at : NULL;
}

/* A text of 1 to 255 bytes, or the digits of an integer. */
static const char *read_key(const char *at, lc_text *key, char *room) {
  if (*at == '"')
    return read_text(at, key, room);
  int64_t integer;
  const char *end = read_integer(at, &integer);
  if (end != NULL)
    *key = (lc_text){ at, (size_t)(end - at) };
  return end;
}

static const char *skip_key(const char *at) {
  char room[LC_COMPANY_MAX];
  lc_text key;
  return read_key(at, &key, room);
}

/* An id; 0 for null, `impossible` for an integer that cannot be one. */
static const char *read_id(const char *at, int32_t *id, int32_t impossible) {
  int64_t integer;
  if (*at == 'n') {
    *id = 0;
    return skip_word(at, "null");
  }
  at = read_integer(at, &integer);
  if (at != NULL)
    *id = integer > 0 && integer <= INT32_MAX ? (int32_t)integer : impossible;
  return at;
}

static const char *skip_choice(const char *at) {
  int64_t integer;
  return *at == 'f' ? skip_word(at, "false") : read_integer(at, &integer);
}

/* A time up to the year 9999, in seconds: later ones are given in milliseconds, by mistake. */
static const char *read_time(const char *at, double *time) {
  static const double last = 253402300799;
  const char *end = skip_number(at), *digit = *at == '-' ? at + 1 : at;
  double whole = 0, part = 0, unit = 1;
  if (end == NULL)
    return NULL;
  for (; digit < end && *digit != '.'; digit++)
    whole = whole * 10 + (*digit - '0');
  for (digit++; digit < end; digit++)
    part += (*digit - '0') * (unit /= 10);
  *time = *at == '-' ? -(whole + part) : whole + part;
  return *time <= last ? end : NULL;
}

/* A field of the actor, sale or contact. */
static const char *read_record_field(const char *at, const char *name, size_t size, int depth, lc_event *event) {
  return IS(name, size, "id") && *at != 'n' ? skip_key(at) : skip_field(at, name, size, depth, event);
}

static const char *read_event_field(const char *at, const char *name, size_t size, int depth, lc_event *event) {
  if (IS(name, size, "trigger"))
    return read_trigger(at, event->triggers, &event->facts.trigger);
  if (IS(name, size, "company")) {
    event->company.is_integer = *at != '"';
    return read_key(at, &event->company.text, event->room);
  }
  if (IS(name, size, "category"))
    return read_id(at, &event->facts.category, LC_CATEGORY_IMPOSSIBLE);
  if (IS(name, size, "lead_status"))
    return read_id(at, &event->facts.lead_status, 0);
  if (*at == 'n')
    return skip_word(at, "null");
  if (IS(name, size, "id"))
    return skip_key(at);
  if (IS(name, size, "at"))
    return read_time(at, &event->at);
  if (IS(name, size, "choice"))
    return skip_choice(at);
  bool is_record = IS(name, size, "actor") || IS(name, size, "contact") || IS(name, size, "sale");
  return is_record ? read_fields(at, read_record_field, depth + 1, event) : skip_value(at, depth);
}

bool lc_event_read(const char *line, const lc_triggers *triggers, lc_event *event) {
  event->triggers = triggers;
  event->facts = (lc_facts){ .trigger = LC_TRIGGERS, .category = LC_CATEGORY_ABSENT };
  event->at = NAN;
  event->company.text.size = 0;
  line = read_fields(line, read_event_field, 1, event);
  bool whole = line != NULL && *skip_blanks(line) == '\n';
  return whole && event->facts.trigger != LC_TRIGGERS && event->company.text.size != 0;
}
