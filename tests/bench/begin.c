/*
 * begin SOCKET - the job of "baseline latency": says that it has begun, and when
 *
 * A program of its own: one that is linked with libpq takes milliseconds to start.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

int
main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timespec t;
	int64_t ns;

	if (argc != 2 || strlen(argv[1]) >= sizeof name.sun_path)
		return 64;
	strcpy(name.sun_path, argv[1]);
	clock_gettime(CLOCK_MONOTONIC, &t);
	ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	if (sendto(fd, &ns, sizeof ns, 0, (struct sockaddr *)&name, sizeof name) < 0) {
		perror(argv[1]);
		return 71;
	}
	return 0;
}
