/* lua/encoding.h - text in other encodings than UTF-8, by iconv. */
#ifndef LC_LUA_ENCODING_H
#define LC_LUA_ENCODING_H

#include "compat.h"

/* core.converter(encoding) -> a converter to UTF-8; nil, message, code when iconv does not know the encoding.
 *
 * converter:convert(bytes, is_last) -> the text; nil, message, code where the bytes are no text in that encoding. A character may
 * be cut in two between calls; the last call says that nothing follows. */
int l_converter(lua_State *L);

/* Registers the metatable of converters. */
void l_encoding_register(lua_State *L);

#endif
