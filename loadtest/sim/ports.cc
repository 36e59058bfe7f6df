// `belfry-sim ports`: free ports of 127.0.0.1, for scripts that must write a number into a file before anybody listens.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>

#include "base.h"
#include "options.h"
#include "roles.h"

namespace sim {

int ports_role(const Arguments& arguments) {
  Options options("ports", "free ports of 127.0.0.1, one a line. They are free now; use them soon.");
  options.add("--count", "N", "1", "how many, up to 100");
  if (!options.parse(arguments)) return 0;
  std::vector<int> held;  // all at once, so that no port comes twice
  for (auto left = options.number("--count", 1, 100); left > 0; --left) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      throw Failure("no free port on 127.0.0.1");
    }
    held.push_back(fd);
    std::cout << ntohs(at.sin_port) << "\n";
  }
  for (const int fd : held) ::close(fd);
  return 0;
}

}  // namespace sim
