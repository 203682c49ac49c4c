/* store/clock.h - the clock of claims: one that all processes of a kernel share and that nobody can set.
 *
 * The time of day is set by people and by NTP, and may differ between machines that share a disk. What has to end after some
 * seconds goes by the kernel's own clock instead, together with the number of the boot that it counts from.
 */
#ifndef LC_STORE_CLOCK_H
#define LC_STORE_CLOCK_H

#include <stdint.h>

/* Seconds since the machine was started. Times of two boots cannot be compared. */
double lc_uptime(void);

/* Identifies this boot of the machine; 0: the system does not tell. Reads a file. */
uint64_t lc_boot(void);

/* Moves this process's lc_uptime ahead by so many seconds more, and returns how many it is ahead then. For tests. */
double lc_uptime_forward(double seconds);

#endif
