#include "gateway/auth/commands.h"

#include <span>

namespace belfry::gateway {
namespace {

std::function<void(Result<routing::Value>)> without_errors(Commands::Done done) {
  return [done = std::move(done)](Result<routing::Value> reply) {
    if (reply && reply->is_error()) reply = tl::unexpected(routing::error_of(*reply));
    // A store that refuses us says nothing about who asks us: he must not hear 401, nor be signed out.
    if (!reply && reply.error().code == Errc::kUnauthorized) reply.error().code = Errc::kUnavailable;
    done(std::move(reply));
  };
}

struct Gathering {
  std::vector<routing::Value> replies;
  std::size_t missing = 0;
  bool failed = false;
  Error error;
  Commands::AllDone done;
};

}  // namespace

void Commands::run(std::initializer_list<std::string_view> args, Done done) const {
  services_.carry(routing::encode(args), without_errors(std::move(done)));
}

void Commands::all(const std::vector<std::vector<std::string>>& commands, AllDone done) const {
  if (commands.empty()) return done(std::vector<routing::Value>{});
  auto gathering = std::make_shared<Gathering>();
  gathering->replies.resize(commands.size());
  gathering->missing = commands.size();
  gathering->done = std::move(done);
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::vector<std::string_view> args(commands[i].begin(), commands[i].end());
    services_.carry(routing::encode(args), without_errors([gathering, i](Result<routing::Value> reply) {
                      if (reply) {
                        gathering->replies[i] = std::move(*reply);
                      } else if (!gathering->failed) {
                        gathering->failed = true;
                        gathering->error = std::move(reply.error());
                      }
                      if (--gathering->missing > 0) return;
                      if (gathering->failed) return gathering->done(tl::unexpected(std::move(gathering->error)));
                      gathering->done(std::move(gathering->replies));
                    }));
  }
}

const std::string& text_at(const routing::Value& array, std::size_t i) {
  static const std::string kNone;
  return i < array.array.size() ? array.array[i].text : kNone;
}

std::vector<std::pair<std::string, std::string>> pairs_of(const routing::Value& array) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t i = 0; i + 1 < array.array.size(); i += 2) pairs.emplace_back(array.array[i].text, array.array[i + 1].text);
  return pairs;
}

}  // namespace belfry::gateway
