#define _GNU_SOURCE
#include "details.h"

#include <string.h>

/* What is left to read. Nothing here reads beyond its end. */
typedef struct scan {
  const char *at, *end;
} scan;

/* The next character that is not blank; 0 at the end. */
static char next(scan *s) {
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
    s->at++;
  return s->at < s->end ? *s->at : '\0';
}

static bool skip(scan *s, char expected) {
  bool found = next(s) == expected;
  s->at += found;
  return found;
}

/* A string; `raw` is what is between its quotes, with the escapes. */
static bool take_string(scan *s, lc_text *raw) {
  if (!skip(s, '"'))
    return false;
  const char *begin = s->at;
  while (s->at < s->end && *s->at != '"')
    s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
  *raw = (lc_text){ begin, (size_t)(s->at - begin) };
  return skip(s, '"');
}

static bool ends_word(char c) {
  return strchr("\"[]{},: \t\n\r", c) != NULL; /* also the 0 at the end */
}

static bool skip_word(scan *s) {
  const char *begin = s->at;
  while (s->at < s->end && !ends_word(*s->at))
    s->at++;
  return s->at > begin;
}

/* Any value. What is in lists and objects only has to end. */
static bool skip_value(scan *s) {
  size_t depth = 0;
  lc_text raw;
  bool whole = true;
  do {
    char c = next(s);
    if (c == '"') {
      whole = take_string(s, &raw);
    } else if (c == '{' || c == '[') {
      s->at++;
      depth++;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      s->at++;
      depth--;
    } else if (depth > 0 && (c == ',' || c == ':')) {
      s->at++;
    } else {
      whole = skip_word(s);
    }
  } while (whole && depth > 0);
  return whole;
}

/* Moves to the value of an object's field. */
static bool find(scan *s, const char *name) {
  lc_text key;
  if (!skip(s, '{'))
    return false;
  do {
    if (!take_string(s, &key) || !skip(s, ':'))
      return false;
    if (key.size == strlen(name) && memcmp(key.data, name, key.size) == 0)
      return true;
  } while (skip_value(s) && skip(s, ','));
  return false;
}

/* ---- ids --------------------------------------------------------------------------------- */

static int hex_digit(char c) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *digit = c != '\0' ? strchr(digits, c) : NULL;
  return digit != NULL ? (int)((digit - digits) % 16) : -1;
}

/* The code of \uXXXX. Such escapes are written for control characters only; what is beyond ASCII stands as it is. */
static bool take_code(scan *raw, char *c) {
  int code = 0;
  for (int i = 0; i < 4; i++) {
    int digit = raw->at < raw->end ? hex_digit(*raw->at++) : -1;
    if (digit < 0)
      return false;
    code = code * 16 + digit;
  }
  *c = (char)code;
  return code < 0x80;
}

static bool take_escape(scan *raw, char *c) {
  static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
  if (raw->at == raw->end)
    return false;
  char name = *raw->at++;
  if (name == 'u')
    return take_code(raw, c);
  const char *found = name != '\0' ? strchr(names, name) : NULL;
  *c = found != NULL ? codes[found - names] : '\0';
  return found != NULL;
}

static bool decode(lc_text text, char room[LC_COMPANY_MAX], lc_text *id) {
  scan raw = { text.data, text.data + text.size };
  *id = (lc_text){ room, 0 };
  while (raw.at < raw.end) {
    char c = *raw.at++;
    if (id->size == LC_COMPANY_MAX || (c == '\\' && !take_escape(&raw, &c)))
      return false;
    room[id->size++] = c;
  }
  return id->size != 0;
}

/* A whole number, which is written with its digits only. */
static bool take_number(scan *s, lc_text *id) {
  const char *begin = s->at;
  s->at += s->at < s->end && *s->at == '-';
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
    s->at++;
  *id = (lc_text){ begin, (size_t)(s->at - begin) };
  return id->size != 0 && id->size <= LC_COMPANY_MAX && (s->at == s->end || ends_word(*s->at));
}

bool lc_details_sale(lc_text json, char room[LC_COMPANY_MAX], lc_text *sale) {
  lc_text raw;
  scan s = { json.data, json.data + json.size };
  if (json.size == 0 || !find(&s, "sale") || !find(&s, "id"))
    return false;
  return next(&s) == '"' ? take_string(&s, &raw) && decode(raw, room, sale) : take_number(&s, sale);
}

bool lc_details_undoes(lc_text json) {
  static const char name[] = "\"undoes\"";
  scan s = { json.data, json.data + json.size };
  bool may = json.size != 0 && memmem(json.data, json.size, name, sizeof name - 1) != NULL; /* most have no such text: this is quicker */
  return may && find(&s, "undoes");
}
