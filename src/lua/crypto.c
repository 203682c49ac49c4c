#include "crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "convert.h"
#include "store/owner.h"

enum { DIGEST = 32, MOST_RANDOM = 256 };

static const unsigned char *bytes(lc_text text) {
  return (const unsigned char *)text.data;
}

/* A text whose size libcrypto counts with an int. */
static lc_text check_short(lua_State *L, int argument) {
  lc_text text = { .size = 0 };
  text.data = luaL_checklstring(L, argument, &text.size);
  luaL_argcheck(L, text.size <= INT_MAX / 2, argument, "it is too long");
  return text;
}

/* libcrypto fails where memory does, and where the machine's policy forbids an algorithm. */
static int push_digest(lua_State *L, bool is_made, const unsigned char digest[DIGEST]) {
  if (!is_made)
    return luaL_error(L, "libcrypto failed: no memory, or SHA-256 is switched off");
  lua_pushlstring(L, (const char *)digest, DIGEST);
  return 1;
}

static bool sha256(lc_text data, unsigned char digest[DIGEST]) {
  return EVP_Digest(data.data, data.size, digest, NULL, EVP_sha256(), NULL) == 1;
}

int l_sha256(lua_State *L) {
  unsigned char digest[DIGEST];
  bool is_made = sha256(check_short(L, 1), digest);
  return push_digest(L, is_made, digest);
}

int l_hmac_sha256(lua_State *L) {
  lc_text key = check_short(L, 1), data = check_short(L, 2);
  unsigned char digest[DIGEST];
  bool is_made = HMAC(EVP_sha256(), key.data, (int)key.size, bytes(data), data.size, digest, NULL) != NULL;
  return push_digest(L, is_made, digest);
}

int l_pbkdf2_sha256(lua_State *L) {
  lc_text password = check_short(L, 1), salt = check_short(L, 2);
  lua_Integer times = luaL_checkinteger(L, 3);
  luaL_argcheck(L, times >= 1 && times <= INT_MAX, 3, "at least one iteration");
  unsigned char key[DIGEST];
  bool is_made = PKCS5_PBKDF2_HMAC(password.data, (int)password.size, bytes(salt), (int)salt.size, (int)times, EVP_sha256(),
    DIGEST, key) == 1;
  return push_digest(L, is_made, key);
}

/* Digests are compared, as texts of different lengths cannot be without telling. */
int l_equal(lua_State *L) {
  lc_text a = check_short(L, 1), b = check_short(L, 2);
  unsigned char of_a[DIGEST], of_b[DIGEST];
  if (!sha256(a, of_a) || !sha256(b, of_b))
    return push_digest(L, false, of_a);
  lua_pushboolean(L, CRYPTO_memcmp(of_a, of_b, DIGEST) == 0);
  return 1;
}

int l_random_bytes(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 1 && count <= MOST_RANDOM, 1, "1 to 256 bytes");
  unsigned char random[MOST_RANDOM];
  lc_error error;
  lc_status status = lc_random(random, (size_t)count, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushlstring(L, (const char *)random, (size_t)count);
  return 1;
}

int l_base64(lua_State *L) {
  lc_text data = check_short(L, 1);
  unsigned char *text = lua_newuserdata(L, (data.size + 2) / 3 * 4 + 1); /* one for EVP_EncodeBlock's NUL */
  int size = EVP_EncodeBlock(text, bytes(data), (int)data.size);
  lua_pushlstring(L, (const char *)text, (size_t)size);
  return 1;
}

/* Whether it is base64 in groups of four, and how many of the last group's characters are padding: EVP_DecodeBlock skips white
 * space, and counts padding as data. */
static bool is_base64(lc_text text, size_t *padding) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t size = text.size, read = 0;
  while (size > 0 && text.size - size < 2 && text.data[size - 1] == '=')
    size--;
  while (read < size && memchr(digits, text.data[read], sizeof digits - 1) != NULL)
    read++;
  *padding = text.size - size;
  return read == size && text.size % 4 == 0;
}

int l_unbase64(lua_State *L) {
  lc_text text = check_short(L, 1);
  size_t padding;
  if (!is_base64(text, &padding)) {
    lua_pushnil(L);
    return 1;
  }
  unsigned char *data = lua_newuserdata(L, text.size / 4 * 3 + 1); /* never of size 0 */
  int size = EVP_DecodeBlock(data, bytes(text), (int)text.size);
  lua_pushlstring(L, (const char *)data, (size_t)size - padding);
  return 1;
}

int l_hex(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  lc_text data = check_short(L, 1);
  char *text = lua_newuserdata(L, data.size * 2 + 1);
  for (size_t i = 0; i < data.size; i++) {
    text[i * 2] = digits[bytes(data)[i] >> 4];
    text[i * 2 + 1] = digits[bytes(data)[i] & 15];
  }
  lua_pushlstring(L, text, data.size * 2);
  return 1;
}
