/* lua/crypto.h - what Lua asks of libcrypto. Digests, keys and MACs are raw bytes. */
#ifndef LC_LUA_CRYPTO_H
#define LC_LUA_CRYPTO_H

#include "compat.h"

/* core.sha256(data) -> 32 bytes */
int l_sha256(lua_State *L);

/* core.hmac_sha256(key, data) -> 32 bytes */
int l_hmac_sha256(lua_State *L);

/* core.pbkdf2_sha256(password, salt, iterations) -> 32 bytes: a key made from a password, as SCRAM wants it */
int l_pbkdf2_sha256(lua_State *L);

/* core.equal(a, b) -> whether two texts are equal. How long it takes tells nothing of where they differ, nor of how long a secret is. */
int l_equal(lua_State *L);

/* core.random_bytes(count) -> as many random bytes of the system, 1 to 256; nil, message, code */
int l_random_bytes(lua_State *L);

/* core.base64(data) -> text with padding, without line breaks (RFC 4648) */
int l_base64(lua_State *L);

/* core.unbase64(text) -> the data; nil where the text is not base64 with its padding, or has anything else in it */
int l_unbase64(lua_State *L);

/* core.hex(data) -> two lower-case digits a byte */
int l_hex(lua_State *L);

#endif
