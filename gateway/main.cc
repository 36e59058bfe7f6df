// belfryd: reads its configuration, finds or starts Redis, runs its shards, and stops in order.
//
// The main thread runs no traffic: signals, the embedded Redis, the admin listener. Parts start general to specific and unwind
// in reverse. Exit codes: 0 stopped, 1 cannot run, 2 usage, 78 (EX_CONFIG) the configuration must change first.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "belfry/list.h"
#include "gateway/accounts.h"
#include "gateway/admin_site.h"
#include "gateway/auth/auth.h"
#include "gateway/bootstrap.h"
#include "gateway/config.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "gateway/metrics.h"
#include "gateway/notify.h"
#include "gateway/redis_server.h"
#include "gateway/shard.h"
#include "gateway/static_files.h"
#include "gateway/tls.h"
#include "gateway/work_pool.h"

namespace belfry::gateway {
namespace {

constexpr int kExitConfig = 78;
constexpr std::int64_t kStopWithin = 9'500;  // a supervisor waits ten seconds

void say(const std::string& line) { std::fprintf(stderr, "belfryd: %s\n", line.c_str()); }

// One belfryd a state directory: its shards' ids, its embedded Redis and its sockets are in there.
bool take_lock(const std::string& state_dir) {
  const std::string path = state_dir + "/belfryd.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0;  // held until this process ends
}

std::string node_name(const Config& config) {
  if (!config.server.node_id.empty()) return config.server.node_id;
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::string name;
  for (const char c : std::string(host)) {
    if (name.size() < 32)
      name.push_back(std::isalnum(static_cast<unsigned char>(c)) != 0 ? static_cast<char>(std::tolower(c)) : '-');
  }
  return name.empty() ? "node" : name;
}

class Belfryd {
 public:
  explicit Belfryd(std::string config_path, Config config) : config_path_(std::move(config_path)), config_(std::move(config)) {}

  int run();

 private:
  Result<TlsContext> read_certificate(const TlsConfig& files);
  bool open_tls();
  bool open_redis();
  bool open_admin();
  void on_bootstrapped(Result<Bootstrap::Site> site);
  bool start_shards();
  void wait_ready();
  void reload();
  void take_up(const Config& fresh, const TlsContext& certificate);
  void stop(int times);
  void stop_redis();
  void leave(int code);
  std::vector<std::string> not_ready() const;
  std::vector<std::string> notes() const;

  std::string config_path_;
  Config config_;
  asio::io_context loop_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{loop_.get_executor()};
  int exit_code_ = 0;
  bool stopping_ = false;
  bool announced_ = false;

  TlsContext server_tls_, client_tls_;
  std::map<std::string, TlsContext> account_tls_;
  std::unique_ptr<RedisServer> redis_;
  RedisTarget target_;
  TlsContext redis_tls_;
  Secret ref_key_;
  std::unique_ptr<Bootstrap> bootstrap_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<WorkPool> pool_;
  std::unique_ptr<StaticFiles> files_;
  std::unique_ptr<AdminSite> admin_site_;
  std::unique_ptr<Listener> admin_;
  std::unique_ptr<Plan> plan_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
  std::size_t shards_left_ = 0;
  std::string public_line_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<Watchdog> watchdog_;
  asio::steady_timer timer_{loop_};
  asio::steady_timer last_resort_{loop_};
};

bool Belfryd::open_tls() {
  auto server = read_certificate(config_.tls);
  if (!server) return say("tls: " + server.error().detail), false;
  server_tls_ = *server;
  auto client = make_client_tls(config_.outgoing.ca_file);
  if (!client) return say("outgoing.ca_file: " + client.error().detail), false;
  client_tls_ = *client;
  for (const SmppConfig& account : config_.smpp) {
    if (!account.tls || account.ca_file.empty()) continue;
    auto own = make_client_tls(account.ca_file);
    if (!own) return say("smpp " + account.id + ": ca_file: " + own.error().detail), false;
    account_tls_[account.id] = *own;
  }
  return true;
}

Result<TlsContext> Belfryd::read_certificate(const TlsConfig& tls) {
  CertificateFiles files{tls.cert_file, tls.key_file};
  if (files.cert_file.empty()) {
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
    std::string host = config_.server.public_url;
    if (const auto slashes = host.find("://"); slashes != std::string::npos) host = host.substr(slashes + 3);
    if (const auto end = host.find_first_of(":/"); end != std::string::npos && host[0] != '[') host.resize(end);
    if (!host.empty() && host != "localhost" && host != "127.0.0.1") names.insert(names.begin(), host);
    const std::string dir = config_.server.state_dir + "/tls";
    std::error_code ignored;
    std::filesystem::create_directories(dir, ignored);
    auto made = self_signed(dir, names);
    if (!made) return tl::unexpected(std::move(made.error()));
    files = *made;
  }
  return make_server_tls(files, true);
}

bool Belfryd::open_redis() {
  std::string settings;
  if (config_.redis.embedded()) {
    RedisServerOptions options;
    options.state_dir = config_.server.state_dir;
    options.appendfsync = config_.redis.durability;
    options.maxmemory = config_.redis.maxmemory;
    redis_ = std::make_unique<RedisServer>(loop_, options);
    redis_->on_news = [](const RedisServer::News& news) {
      switch (news.what) {
        case RedisServer::What::kStarted: return log_info("redis_started", {{"pid", news.pid}});
        case RedisServer::What::kAdopted: return log_info("redis_adopted", {{"pid", news.pid}});
        case RedisServer::What::kDied: return log_error("redis_died", {{"pid", news.pid}, {"how", news.detail}});
        case RedisServer::What::kCannotStart: return log_error("redis_cannot_start", {{"why", news.detail}});
        case RedisServer::What::kStopped: return log_info("redis_stopped", {{"pid", news.pid}});
      }
    };
    if (auto started = redis_->start(); !started) return say("embedded Redis: " + started.error().detail), false;
    target_.address = "unix:" + redis_->socket_path();
    settings = redis_->settings_command();
  } else {
    auto parsed = parse_redis_url(config_.redis.url);
    if (!parsed) {
      say("redis.url: " + parsed.error().detail);
      exit_code_ = kExitConfig;
      return false;
    }
    target_ = *parsed;
    target_.user = config_.redis.user;
    target_.password = config_.redis.password;
    target_.tag = "{" + config_.redis.prefix + "}";
    target_.min_replicas = config_.redis.min_replicas;
    if (target_.secure) {
      auto tls = make_client_tls(config_.redis.ca_file);
      if (!tls) return say("redis.ca_file: " + tls.error().detail), false;
      redis_tls_ = *tls;
      target_.tls = redis_tls_.get();
    }
  }
  bootstrap_ = std::make_unique<Bootstrap>(loop_, target_, config_, settings, [this](Result<Bootstrap::Site> site) {
    // Not from inside the link's own callback: it is destroyed with the bootstrap.
    asio::post(loop_, [this, site = std::move(site)]() mutable { on_bootstrapped(std::move(site)); });
  });
  return true;
}

bool Belfryd::open_admin() {
  admin_site_ = std::make_unique<AdminSite>(
      *metrics_, [this] { return not_ready(); }, [this] { return notes(); });
  const ListenAddress& at = config_.listen.admin;
  auto admin = Listener::open(loop_, at.host + ":" + std::to_string(at.port), nullptr, *admin_site_, {});
  if (!admin) return say("listen.admin: " + admin.error().detail), false;
  admin_ = std::move(*admin);
  return true;
}

std::vector<std::string> Belfryd::not_ready() const {
  std::vector<std::string> reasons;
  if (stopping_) reasons.emplace_back("stopping");
  if (bootstrap_ && !stopping_) reasons.push_back("Redis does not answer yet: " + bootstrap_->last_error().detail);
  for (const auto& shard : shards_) {
    if (const auto health = shard->health(); !health.why.empty()) reasons.push_back("shard " + shard->id() + ": " + health.why);
  }
  // An alert still comes in where memory is short, so only a full disk makes us unready.
  if (!shards_.empty() && shards_.front()->health().level == Level::kNothing) reasons.push_back(words_for(Level::kNothing));
  return reasons;
}

std::vector<std::string> Belfryd::notes() const {
  if (shards_.empty()) return {};
  const std::string words = words_for(shards_.front()->health().level);
  return words.empty() ? std::vector<std::string>{} : std::vector<std::string>{words};
}

void Belfryd::on_bootstrapped(Result<Bootstrap::Site> site) {
  if (stopping_) return;
  if (!site) {
    say("redis: " + site.error().detail);
    bootstrap_.reset();
    exit_code_ = kExitConfig;
    return stop_redis();
  }
  bootstrap_.reset();
  log_info("redis_durability", {{"appendfsync", site->durability}, {"replicas", site->replicas}});
  metrics_
      ->gauge("belfry_redis_durability_info",
              "How Redis keeps what it acknowledges: appendfsync, and how many replicas have it (at start).",
              {{"appendfsync", site->durability}, {"replicas", std::to_string(site->replicas)}})
      .set(1);
  ref_key_ = site->ref_key;
  if (!start_shards()) {
    exit_code_ = 1;
    return stop(1);
  }
  wait_ready();
}

bool Belfryd::start_shards() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const int count = config_.server.shards > 0 ? config_.server.shards : static_cast<int>(std::max(1U, cores - 1));
  const std::vector<whatsapp::Account> whatsapp = whatsapp_accounts(config_, ref_key_);
  plan_.reset(new Plan{config_, target_, server_tls_, client_tls_, *files_, *pool_, *metrics_, whatsapp,
                       account_infos(config_, whatsapp), inboxes_of(config_, ref_key_), account_tls_, node_name(config_),
                       origin_of(config_.server.public_url)});
  std::vector<ListenAddress> addresses = config_.listen.publics;
  for (int i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(*plan_, i));
    for (ListenAddress& address : addresses) {
      auto port = shards_.back()->listen(address);
      if (!port) return say("listen.public: " + port.error().detail), false;
      address.port = *port;  // the other shards take the same
    }
  }
  if (auto side = shards_.front()->listen_operator(config_.server.state_dir + "/admin.sock"); !side) {
    return say("admin.sock: " + side.error().detail), false;
  }
  std::vector<std::string> urls;
  for (const ListenAddress& address : addresses)
    urls.push_back((address.tls ? "https://" : "http://") + address.host + ":" + std::to_string(address.port));
  public_line_ = join_list(urls);
  for (auto& shard : shards_) {
    shard->start();
    threads_.emplace_back([&shard = *shard] {
      Metrics::i_am_shard(shard.index());
      shard.loop().run();
    });
  }
  return true;
}

void Belfryd::wait_ready() {
  if (stopping_) return;
  bool up = true;
  for (const auto& shard : shards_) up = up && shard->up();
  if (up && !announced_) {
    announced_ = true;
    std::printf("listening public=%s admin=http://%s\n", public_line_.c_str(), admin_->address().c_str());
    std::fflush(stdout);
    log_info("ready", {{"shards", shards_.size()}});
    notify_ready();
    return;
  }
  timer_.expires_after(std::chrono::milliseconds(20));
  timer_.async_wait([this](std::error_code error) {
    if (!error) wait_ready();
  });
}

// All or nothing: a mistake anywhere, or a certificate that cannot be used, and everything stays as it is.
void Belfryd::reload() {
  if (stopping_) return;
  notify_reloading();
  const LoadedConfig loaded = load_config(config_path_);
  for (const ConfigProblem& problem : loaded.problems) say(to_string(problem));
  if (!loaded.ok()) {
    log_error("reload_refused", {{"problems", loaded.problems.size()}});
    return notify_ready();
  }
  const auto certificate = read_certificate(loaded.config.tls);
  if (!certificate) {
    log_error("reload_refused", {{"problems", 1}, {"tls", certificate.error().detail}});
    return notify_ready();
  }
  const std::string keys = join_list(needs_restart(config_, loaded.config));
  if (!keys.empty()) log_warning("reload_needs_restart", {{"keys", keys}});
  take_up(loaded.config, *certificate);
}

// What can change while we run: the log, the certificate, the secrets of the accounts that we have. Whose secrets changed is
// logged, never what they are. Told as done when every shard works with them.
void Belfryd::take_up(const Config& fresh, const TlsContext& certificate) {
  set_log(fresh.log.level, fresh.log.format);
  config_.log = fresh.log;
  config_.tls = fresh.tls;
  server_tls_ = certificate;
  for (WhatsappConfig& ours : config_.whatsapp) {
    for (const WhatsappConfig& theirs : fresh.whatsapp) {
      if (theirs.id != ours.id) continue;
      std::vector<std::string> changed;
      const auto take = [&changed](auto& mine, const auto& now, const char* key) {
        if (mine == now) return;
        mine = now;
        changed.emplace_back(key);
      };
      take(ours.app_secrets, theirs.app_secrets, "app_secret_file");
      take(ours.verify_token, theirs.verify_token, "verify_token_file");
      take(ours.access_token, theirs.access_token, "access_token_file");
      if (!changed.empty()) log_info("secrets_changed", {{"account", ours.id}, {"keys", join_list(changed)}});
    }
  }
  const auto done = [] {
    log_info("reloaded");
    notify_ready();
  };
  if (shards_.empty()) return done();  // those to come begin with what stands here now
  const auto whatsapp = std::make_shared<const std::vector<whatsapp::Account>>(whatsapp_accounts(config_, ref_key_));
  const auto accounts = std::make_shared<const std::vector<AccountInfo>>(account_infos(config_, *whatsapp));
  const auto left = std::make_shared<std::size_t>(shards_.size());  // this thread's
  for (auto& each : shards_) {
    asio::post(each->loop(), [this, &shard = *each, whatsapp, accounts, certificate, left, done] {
      shard.set_tls(certificate);
      shard.set_secrets(*whatsapp, *accounts);
      asio::post(loop_, [left, done] {
        if (--*left == 0) done();
      });
    });
  }
}

void Belfryd::stop(int times) {
  if (times > 1) leave(1);
  if (stopping_) return;
  stopping_ = true;
  log_info("stopping");
  notify_stopping();
  timer_.cancel();
  bootstrap_.reset();
  last_resort_.expires_after(std::chrono::milliseconds(kStopWithin));
  last_resort_.async_wait([this](std::error_code error) {
    if (error) return;
    log_error("stop_took_too_long");
    leave(exit_code_);
  });
  shards_left_ = threads_.size();
  if (shards_left_ == 0) return stop_redis();
  for (auto& shard : shards_) {
    asio::post(shard->loop(), [this, &shard = *shard] {
      shard.stop([this, &shard] {
        shard.loop().stop();
        asio::post(loop_, [this] {
          if (--shards_left_ == 0) stop_redis();
        });
      });
    });
  }
}

void Belfryd::stop_redis() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const auto end = [this] {
    admin_.reset();
    signals_->stop();
    watchdog_->stop();
    last_resort_.cancel();
    work_.reset();
    loop_.stop();
  };
  if (!redis_) return end();
  redis_->stop(
      [end](const Result<void>& ended) {
        if (!ended) log_error("redis_still_runs", {{"why", ended.error().detail}});
        end();
      },
      5'000);
}

// What could not end in time is left: Redis keeps what was acknowledged, and the next belfryd adopts it.
void Belfryd::leave(int code) {
  std::fflush(stdout);
  ::_exit(code);
}

int Belfryd::run() {
  set_log(config_.log.level, config_.log.format);
  std::error_code error;
  std::filesystem::create_directories(config_.server.state_dir, error);
  ::chmod(config_.server.state_dir.c_str(), 0700);
  if (error) return say("server.state_dir: cannot make " + config_.server.state_dir + ": " + error.message()), 1;
  if (!take_lock(config_.server.state_dir)) {
    return say("server.state_dir: another belfryd runs on " + config_.server.state_dir + "; stop it, or give this one its own"),
           1;
  }
  metrics_ = std::make_unique<Metrics>(std::max(64, config_.server.shards + 1));
  pool_ = std::make_unique<WorkPool>(2);
  files_ = std::make_unique<StaticFiles>(find_web_dir());
  signals_ = std::make_unique<Signals>(loop_);
  signals_->on_stop = [this](int times) { stop(times); };
  signals_->on_reload = [this] { reload(); };
  signals_->start();
  watchdog_ = std::make_unique<Watchdog>(loop_);
  watchdog_->start();
  if (!open_tls() || !open_admin() || !open_redis()) return exit_code_ != 0 ? exit_code_ : 1;
  loop_.run();
  shards_.clear();
  pool_.reset();
  log_info("stopped");
  return exit_code_;
}

}  // namespace
}  // namespace belfry::gateway

int main(int argc, char** argv) {
  using namespace belfry::gateway;
  CLI::App app{"Belfry, an on-premise contact-centre gateway"};
  std::string path = "/etc/belfry/belfry.toml";
  bool check = false;
  app.add_option("--config", path, "the configuration file; conf.d/*.toml beside it are merged in")->capture_default_str();
  app.add_flag("--check-config", check, "tell every mistake of the configuration and exit: 0 if there is none, else 78");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
  LoadedConfig loaded = load_config(path);
  for (const ConfigProblem& problem : loaded.problems) std::fprintf(stderr, "%s\n", to_string(problem).c_str());
  if (!loaded.ok()) return kExitConfig;
  if (check) return 0;
  Belfryd belfryd(path, std::move(loaded.config));
  return belfryd.run();
}
