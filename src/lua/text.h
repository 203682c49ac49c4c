/* lua/text.h - what Lua asks of Unicode: libutf8proc's answers, and src/rules/utf8.h's. */
#ifndef LC_LUA_TEXT_H
#define LC_LUA_TEXT_H

#include "compat.h"

/* core.fold(text) -> the text as conditions compare it: folded case, form NFC; nil when it equals nothing */
int l_fold(lua_State *L);

/* core.nfc(text) -> the well-formed text in form NFC: the same for all ways to write the same characters */
int l_nfc(lua_State *L);

/* core.nfkc(text) -> the same in form NFKC, which also has ligatures, wide letters and the like as plain ones */
int l_nfkc(lua_State *L);

/* core.plain(text) -> the same in lower case and without accents, for comparing what people type */
int l_plain(lua_State *L);

/* core.text_width(text) -> how many columns of a terminal a well-formed text takes */
int l_text_width(lua_State *L);

/* core.text_cut(text, most) -> the bytes of its first characters: at most `most` code points of a well-formed text, but so that
 * no character is separated from its accents, unless nothing would be left */
int l_text_cut(lua_State *L);

#endif
