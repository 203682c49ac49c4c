/* store/gaps.h - the free space within the pages of a file, where LMDB leaves what was there before. */
#ifndef LC_STORE_GAPS_H
#define LC_STORE_GAPS_H

/* Fills it with zeros in a file that mdb_env_copyfd2 has compacted, which is open for reading and writing, and which nobody
 * else uses. 0, or an errno. */
int lc_gaps_clear(int file);

#endif
