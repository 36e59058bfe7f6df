// The table of mistakes: what an operator writes, and the exact line he reads.
#include "gateway/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/belfry-config-XXXXXX";
    dir_ = ::mkdtemp(name);
    write("secret", "s3cret\n");
    write("other", "other\r\n");
    write("empty", "\n");
    write("open", "open\n", 0644);
  }
  void TearDown() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::string path = dir_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
  }

  LoadedConfig load(const std::string& text) const {
    write("belfry.toml", text);
    return load_config(dir_ + "/belfry.toml");
  }

  // The problems, one a line, with the directory taken out.
  std::string lines(const LoadedConfig& loaded) const {
    std::string out;
    for (const auto& problem : loaded.problems) {
      std::string line = to_string(problem);
      for (auto at = line.find(dir_ + "/"); at != std::string::npos; at = line.find(dir_ + "/")) line.erase(at, dir_.size() + 1);
      out += line + "\n";
    }
    return out;
  }

  std::string dir_;
};

TEST_F(ConfigTest, NothingWrittenIsTheDefault) {
  const auto loaded = load("");
  EXPECT_EQ(lines(loaded), "");
  ASSERT_TRUE(loaded.ok());
  const Config& c = loaded.config;
  EXPECT_EQ(c.server.state_dir, "/var/lib/belfry");
  ASSERT_EQ(c.listen.publics.size(), 1U);
  EXPECT_EQ(c.listen.publics[0], (ListenAddress{true, "0.0.0.0", 8443}));
  EXPECT_EQ(c.listen.admin, (ListenAddress{false, "127.0.0.1", 9464}));
  EXPECT_TRUE(c.redis.embedded());
  EXPECT_EQ(c.redis.durability, "always");
  EXPECT_EQ(c.alerts.approvals, 2);
  EXPECT_FALSE(c.fcm.has_value());
}

constexpr const char* kWhatsapp = R"([[whatsapp]]
id = "city"
portfolio = "town"
phone_number_id = "106540352242922"
app_secret_file = ["secret", "other"]
verify_token_file = "secret"
access_token_file = "secret"
)";

TEST_F(ConfigTest, EveryKey) {
  const auto loaded = load(R"([server]
state_dir = "/srv/belfry/"
public_url = "https://chat.city.example/"
node_id = "a-1"
shards = 3
[listen]
public = ["https://0.0.0.0:0", "http://127.0.0.1:8080", "https://[::]:8443"]
admin = "http://127.0.0.1:0"
h2_websocket = true
[tls]
cert_file = "secret"
key_file = "secret"
[outgoing]
ca_file = "secret"
[redis]
url = "rediss://db.city.example:7000"
user = "belfry"
password_file = "secret"
ca_file = "secret"
prefix = "town"
ledger_url = "unix:///run/ledger.sock"
durability = "everysec"
min_replicas = 1
maxmemory = "2GiB"
ledger_maxmemory = "1GiB"
)" + std::string(kWhatsapp) +
                           R"(graph_url = "http://127.0.0.1:9999"
graph_version = "v25.0"
rate = 500
queue = "front"
[[smpp]]
id = "operator"
host = "smsc.example"
port = 2775
tls = true
ca_file = "secret"
system_id = "belfry"
password_file = "secret"
system_type = "x"
bind = "receiver"
binds = 2
source = "City"
source_ton = 5
source_npi = 0
window = 20
rate = 50
enquire_link = "20s"
response_timeout = "5s"
alphabet = "latin1"
national = ["es"]
long = "udh16"
id_format = "resp_hex_receipt_dec"
queue = "front"
[[web]]
id = "site"
origins = ["https://city.example"]
languages = ["en", "pt"]
queue = "front"
token_key_file = "secret"
[push.fcm]
service_account_file = "secret"
url = "https://fcm.example"
[push.apns]
key_file = "secret"
key_id = "ABCDE12345"
team_id = "TEAM123456"
topic = "example.city"
url = "https://apns.example"
[push.web]
subject = "mailto:ops@city.example"
vapid_key_file = "secret"
[[queue]]
id = "front"
name = "Front desk"
skills = ["water", "billing:3"]
priority = 10
offer_timeout = "30s"
mode = "auto"
wrapup = "0s"
hours = "mon-fri 08:00-17:00; 12-25 closed"
zone = "Europe/Berlin"
sla = { answer = "60s", first_reply = "5m", next_reply = "10m", resolve = "8h", within_percent = 80 }
steps = [{ after = "30s", lower_levels = 1 }, { after = "1m", drop = ["billing"], add = "back" }]
[alerts]
approvals = 1
hold = "10s"
sources = ["civil-protection"]
[retention]
closed_days = 7
archive_months = 12
[media]
max = "16MiB"
keep_days = 10
[limits]
connections = 5000
per_address = 100
webhook_body = "4MiB"
api_body = "2MiB"
head_timeout = "5s"
body_timeout = "1m"
idle_timeout = "2m"
disk_reserve = "2GiB"
open_tokens = 100
[log]
level = "debug"
format = "json"
)");
  EXPECT_EQ(lines(loaded), "");
  ASSERT_TRUE(loaded.ok());
  const Config& c = loaded.config;
  EXPECT_EQ(c.server.state_dir, "/srv/belfry");
  EXPECT_EQ(c.server.public_url, "https://chat.city.example");
  ASSERT_EQ(c.listen.publics.size(), 3U);
  EXPECT_EQ(c.listen.publics[0].port, 0);
  EXPECT_FALSE(c.listen.publics[1].tls);
  EXPECT_EQ(c.listen.publics[2].host, "::");
  EXPECT_EQ(c.redis.password.reveal(), "s3cret");
  EXPECT_EQ(c.redis.min_replicas, 1);
  EXPECT_EQ(c.redis.maxmemory, 2LL << 30);
  ASSERT_EQ(c.whatsapp.size(), 1U);
  ASSERT_EQ(c.whatsapp[0].app_secrets.size(), 2U);
  EXPECT_EQ(c.whatsapp[0].app_secrets[1].reveal(), "other");
  EXPECT_EQ(c.whatsapp[0].rate, 500);
  EXPECT_EQ(c.smpp[0].longer, "udh16");
  EXPECT_EQ(c.smpp[0].enquire_link_ms, 20'000);
  EXPECT_EQ(c.web[0].token_key.reveal(), "s3cret");
  EXPECT_EQ(c.apns->key_id, "ABCDE12345");
  EXPECT_EQ(c.queues[0].steps.size(), 2U);
  EXPECT_EQ(c.queues[0].steps[1].add, "back");
  EXPECT_EQ(c.queues[0].wrapup_ms, 0);
  EXPECT_EQ(c.queues[0].goals, (routing::Goals{60'000, 300'000, 600'000, 28'800'000, 80}));
  EXPECT_EQ(c.media.max, 16LL << 20);
  EXPECT_EQ(c.limits.idle_timeout_ms, 120'000);
  EXPECT_EQ(c.limits.disk_reserve, 2LL << 30);
  EXPECT_EQ(c.log.format, "json");
}

TEST_F(ConfigTest, Mistakes) {
  struct Case {
    const char* text;
    const char* lines;
  };
  const Case cases[] = {
      {"[server]\nstate_dir = \"var\"\n",
       "belfry.toml:2:13: [server] state_dir is \"var\"; it must be an absolute path; begin it with /\n"},
      {"[redis]\ndurabilty = \"always\"\n",
       "belfry.toml:2:1: [redis] durabilty is unknown; did you mean \"durability\"; correct the name\n"},
      {"[reids]\n", "belfry.toml:1:2: reids is unknown; did you mean \"redis\"; correct the name\n"},
      {"[server]\nxyzzy_q = 1\n", "belfry.toml:2:1: [server] xyzzy_q is unknown; nothing here has that name; remove it\n"},
      {"[redis]\npassword = \"x\"\n",
       "belfry.toml:2:1: [redis] password is unknown; a secret does not stand in the configuration; write it into a file and "
       "name that as password_file\n"},
      {"[redis]\nurl = \"redis://h\"\npassword_file = \"none\"\n",
       "belfry.toml:3:17: [redis] password_file names \"none\", which cannot be read; No such file or directory; make the file, "
       "or correct the path\n"},
      {"[redis]\nurl = \"redis://h\"\npassword_file = \"empty\"\n",
       "belfry.toml:3:17: [redis] password_file names \"empty\"; the file is empty; write the secret into it\n"},
      {"[redis]\nurl = \"redis://h\"\npassword_file = \".\"\n",
       "belfry.toml:3:17: [redis] password_file names \".\"; it is a directory; name the file in it\n"},
      {"[redis]\nurl = \"redis://h\"\npassword_file = \"open\"\n",
       "belfry.toml:3:17: warning: [redis] password_file names \"open\"; everybody on this machine can read it; chmod 600 it\n"},
      {"[redis]\nuser = \"x\"\n",
       "belfry.toml:2:8: [redis] user goes with an external server; the embedded one is private to us and has none; remove it, "
       "or set redis.url\n"},
      {"[redis]\nurl = \"redis://u:p@h\"\n",
       "belfry.toml:2:7: [redis] url is \"…@…\"; no user or password in the URL: use redis.user and redis.password_file; write "
       "\"embedded\", unix:///path, "
       "redis://host:port, rediss://host:port, redis+sentinel://host,host/name or redis+cluster://host,host\n"},
      {"[redis]\ndurability = \"none\"\n",
       "belfry.toml:2:14: [redis] durability is \"none\"; it must be \"always\" or \"everysec\"; choose one of these\n"},
      {"[redis]\nmin_replicas = 1\n",
       "belfry.toml:2:16: [redis] min_replicas is 1; the embedded server has no replica; remove it, or set redis.url\n"},
      {"[redis]\nmaxmemory = 100\n",
       "belfry.toml:2:13: [redis] maxmemory is no size; a size is a whole number with B, KiB, MiB, GiB or TiB; write for example "
       "\"1MiB\"\n"},
      {"[redis]\nmaxmemory = \"1MiB\"\n",
       "belfry.toml:2:13: [redis] maxmemory is 1MiB; it is out of range; choose \"32MiB\" to \"65536GiB\"\n"},
      {"[redis]\nprefix = \"a{b}\"\n",
       "belfry.toml:2:10: [redis] prefix is \"a{b}\"; it has 1 to 20 of a-z, 0-9 and -; choose such a prefix\n"},
      {"[listen]\npublic = [\"http://0.0.0.0:80\"]\n",
       "belfry.toml:2:11: [listen] public is plain http on \"0.0.0.0\"; passwords and messages would be readable on the way; use "
       "https, or listen on "
       "127.0.0.1 behind a proxy of this machine\n"},
      {"[listen]\npublic = [\"https://0.0.0.0:99999\", \"ftp://x:1\", 5]\n",
       "belfry.toml:2:11: [listen] public is \"https://0.0.0.0:99999\"; it must be https://address:port; correct it\n"
       "belfry.toml:2:36: [listen] public is \"ftp://x:1\"; it must be https://address:port; correct it\n"
       "belfry.toml:2:49: [listen] public is a number; it must be a text; put it in quotes\n"},
      {"[listen]\npublic = []\n",
       "belfry.toml:2:10: [listen] public is empty; nobody could reach us; name at least one address\n"},
      {"[listen]\npublic = \"https://0.0.0.0:1\"\n",
       "belfry.toml:2:10: [listen] public is a text; it must be a list of texts; write [\"…\", \"…\"]\n"},
      {"[listen]\nadmin = \"http://0.0.0.0:9464\"\n",
       "belfry.toml:2:9: warning: [listen] admin is not on loopback; whoever reaches it can read the metrics; guard the port\n"},
      {"[listen]\nh2_websocket = \"yes\"\n",
       "belfry.toml:2:16: [listen] h2_websocket is a text; it must be true or false; write true or false without quotes\n"},
      {"[server]\nshards = 100\n", "belfry.toml:2:10: [server] shards is 100; it is out of range; choose 0 to 64\n"},
      {"[server]\nshards = \"2\"\n",
       "belfry.toml:2:10: [server] shards is a text; it must be a whole number; write a number without quotes\n"},
      {"[server]\npublic_url = \"http://city.example\"\n",
       "belfry.toml:2:14: [server] public_url is plain http; passwords and messages would be readable on the way; use https\n"},
      {"[[queue]]\nid = \"queue_city\"\n",
       "belfry.toml:2:6: [[queue]] \"queue_city\" id is \"queue_city\"; agent_ and queue_ stand before ids outside, and no id "
       "begins with them; "
       "write \"city\"\n"},
      {"[server]\nnode_id = \"A\"\n",
       "belfry.toml:2:11: [server] node_id is \"A\"; an id has 1 to 40 of a-z, 0-9 and -; choose such an id\n"},
      {"[tls]\ncert_file = \"secret\"\n",
       "belfry.toml:2:13: [tls] has only one of cert_file and key_file; a certificate is of no use without its key; name both, "
       "or none\n"},
      {"[[queue]]\nid = \"a\"\noffer_timeout = 45\n",
       "belfry.toml:3:17: [[queue]] \"a\" offer_timeout is no duration; a duration is a whole number with ms, s, m, h or d; "
       "write for example \"30s\"\n"},
      {"[[queue]]\nid = \"a\"\noffer_timeout = \"1s\"\n",
       "belfry.toml:3:17: [[queue]] \"a\" offer_timeout is 1s; it is out of range; choose \"5s\" to \"1h\"\n"},
      {"[[queue]]\nid = \"a\"\n[[queue]]\nid = \"a\"\n",
       "belfry.toml:4:6: [[queue]] \"a\" id is taken; a queue at belfry.toml:2 has it; choose another\n"},
      {"[[queue]]\nname = \"x\"\n", "belfry.toml:1:1: [[queue]] lacks id; it has no default; add it\n"},
      {"[[queue]]\nid = \"a\"\nskills = [\"Water\", \"water:6\"]\n",
       "belfry.toml:3:11: [[queue]] \"a\" skills holds \"Water\"; a skill is an id, or an id with a level: water or water:3; "
       "correct it\n"
       "belfry.toml:3:20: [[queue]] \"a\" skills holds \"water:6\"; a skill is an id, or an id with a level: water or water:3; "
       "correct it\n"},
      {"[[queue]]\nid = \"a\"\nsteps = [{ after = \"60s\" }, { after = \"30s\", dorp = [] }]\n",
       "belfry.toml:3:29: [[queue]] \"a\" steps are not in order; each step comes after the one before; let `after` grow\n"
       "belfry.toml:3:46: [[queue]] \"a\" steps dorp is unknown; did you mean \"drop\"; correct the name\n"},
      {"[[queue]]\nid = \"a\"\nsla = { first_reply = \"5 minutes\", resolv = \"8h\" }\n",
       "belfry.toml:3:23: [[queue]] \"a\" sla first_reply is \"5 minutes\", which is no duration; a duration is a whole number "
       "with "
       "ms, s, m, h or d; write for example \"30s\"\n"
       "belfry.toml:3:36: [[queue]] \"a\" sla resolv is unknown; did you mean \"resolve\"; correct the name\n"},
      {"[[queue]]\nid = \"a\"\nsla = { within_percent = 90 }\n",
       "belfry.toml:3:7: [[queue]] \"a\" sla wants a share of answers in time without saying what that is: add answer, or "
       "first_reply; write for example { answer = \"60s\", first_reply = \"5m\", within_percent = 80 }\n"},
      {"[whatsapp]\nid = \"a\"\n", "belfry.toml:1:1: whatsapp is a table; there may be several; write [[whatsapp]]\n"},
      {"redis = 5\n", "belfry.toml:1:9: [redis] is a number; it must be a table; write [redis] on a line of its own\n"},
      {"[[whatsapp]]\nid = \"city\"\n",
       "belfry.toml:1:1: [[whatsapp]] \"city\" lacks portfolio, phone_number_id, app_secret_file, verify_token_file, "
       "access_token_file; they have no defaults; "
       "add them\n"},
      {"[push.fmc]\n", "belfry.toml:1:7: [push] fmc is unknown; did you mean \"fcm\"; correct the name\n"},
      {"[push.web]\nsubject = \"ops\"\nvapid_key_file = \"secret\"\n",
       "belfry.toml:2:11: [push.web] subject is \"ops\"; push services want a contact; write mailto:name@example.org or an https "
       "address\n"},
      {"[log]\nlevel = \"verbose\"\n",
       "belfry.toml:2:9: [log] level is \"verbose\"; it must be \"debug\", \"info\", \"warning\" or \"error\"; choose one of "
       "these\n"},
      {"[media]\nmax = \"9223372036854775807TiB\"\n",
       "belfry.toml:2:7: [media] max is no size; a size is a whole number with B, KiB, MiB, GiB or TiB; write for example "
       "\"1MiB\"\n"},
      // Both at once, in the order of the file.
      {"[log]\nformat = \"xml\"\n[alerts]\napprovals = 0\n[serve]\n",
       "belfry.toml:2:10: [log] format is \"xml\"; it must be \"text\" or \"json\"; choose one of these\n"
       "belfry.toml:4:13: [alerts] approvals is 0; it is out of range; choose 1 to 5\n"
       "belfry.toml:5:2: serve is unknown; did you mean \"server\"; correct the name\n"},
  };
  for (const auto& c : cases) {
    const auto loaded = load(c.text);
    EXPECT_EQ(lines(loaded), c.lines) << c.text;
    EXPECT_EQ(loaded.ok(), std::string_view(c.lines).find("warning: ") != std::string_view::npos) << c.text;
  }
}

TEST_F(ConfigTest, ALongStateDirectory) {
  EXPECT_EQ(lines(load(std::string("[server]\nstate_dir = \"/").append(std::string(95, 'x')).append("\"\n"))),
            "belfry.toml:2:13: [server] state_dir has more than 90 octets; the sockets in it would have longer names than the "
            "kernel allows; choose a "
            "shorter one\n");
}

TEST_F(ConfigTest, OfAnAccount) {
  const std::string base = kWhatsapp;
  EXPECT_EQ(lines(load(base + "graph_url = \"http://graph.example\"\n")),
            "belfry.toml:8:13: [[whatsapp]] \"city\" graph_url is plain http to \"graph.example\"; what goes there would be "
            "readable on the way; use https "
            "(plain http is for loopback)\n");
  EXPECT_EQ(lines(load(base + "graph_version = \"26\"\n")),
            "belfry.toml:8:17: [[whatsapp]] \"city\" graph_version is \"26\"; it must look like v26.0; correct it\n");
  EXPECT_EQ(lines(load(base + "access_token = \"EAAG\"\n")),
            "belfry.toml:8:1: [[whatsapp]] \"city\" access_token is unknown; a secret does not stand in the configuration; write "
            "it into a file and name "
            "that as access_token_file\n");
  EXPECT_EQ(lines(load(base + "[[web]]\nid = \"city\"\norigins = [\"https://city.example/\"]\n")),
            "belfry.toml:9:6: [[web]] \"city\" id is taken; an account at belfry.toml:2 has it; choose another\n"
            "belfry.toml:10:12: [[web]] \"city\" origins holds \"https://city.example/\"; an origin is https://host[:port] "
            "without a slash at its end; "
            "correct it\n");
}

TEST_F(ConfigTest, SyntaxIsToldWithItsPlaceAndOtherFilesAreStillChecked) {
  write("conf.d/10-x.toml", "[log]\nlevel = \"loud\"\n");
  const auto loaded = load("[server]\nshards = \n");
  const auto text = lines(loaded);
  EXPECT_FALSE(loaded.ok());
  EXPECT_EQ(text.rfind("belfry.toml:2:", 0), 0U) << text;
  EXPECT_NE(text.find("is not TOML; "), std::string::npos) << text;
  EXPECT_NE(text.find("\nconf.d/10-x.toml:2:9: [log] level is \"loud\""), std::string::npos) << text;
}

TEST_F(ConfigTest, FilesOfConfDMerge) {
  write("conf.d/20-b.toml", "[redis]\nprefix = \"two\"\n[[queue]]\nid = \"b\"\n");
  write("conf.d/10-a.toml", "[redis]\nprefix = \"one\"\ndurability = \"everysec\"\n[[queue]]\nid = \"a\"\n");
  write("conf.d/ignored.toml.bak", "nonsense");
  write("conf.d/deep/secret", "deep\n");
  write("conf.d/30-c.toml", "[tls]\nkey_file = \"deep/secret\"\n");
  const auto loaded = load("[redis]\nprefix = \"zero\"\n[[queue]]\nid = \"z\"\n[tls]\ncert_file = \"secret\"\n");
  EXPECT_EQ(lines(loaded), "");
  EXPECT_EQ(loaded.config.redis.prefix, "two");
  EXPECT_EQ(loaded.config.redis.durability, "everysec");
  ASSERT_EQ(loaded.config.queues.size(), 3U);
  EXPECT_EQ(loaded.config.queues[2].id, "b");
  EXPECT_EQ(loaded.config.tls.key_file, dir_ + "/conf.d/deep/secret");

  write("conf.d/40-d.toml", "[[queue]]\nid = \"a\"\n");
  EXPECT_EQ(lines(load("")),
            "conf.d/30-c.toml:2:12: [tls] has only one of cert_file and key_file; a certificate is of no use without its key; "
            "name both, or none\n"
            "conf.d/40-d.toml:2:6: [[queue]] \"a\" id is taken; a queue at conf.d/10-a.toml:5 has it; choose another\n");
}

TEST_F(ConfigTest, NoFile) {
  const auto loaded = load_config(dir_ + "/nowhere.toml");
  EXPECT_EQ(lines(loaded), "nowhere.toml: cannot be read; No such file or directory; correct the path or its permissions\n");
  EXPECT_FALSE(loaded.ok());
}

TEST_F(ConfigTest, NoSecretIsPrinted) {
  std::ostringstream out;
  const auto loaded = load(kWhatsapp);
  ASSERT_TRUE(loaded.ok());
  out << loaded.config.whatsapp[0].access_token;
  EXPECT_EQ(out.str(), "<6 bytes>");
}

TEST_F(ConfigTest, WhatNeedsARestart) {
  const auto a = load("").config;
  auto b = a;
  EXPECT_TRUE(needs_restart(a, b).empty());
  b.log.level = "debug";
  b.tls.cert_file = "other.pem";
  EXPECT_TRUE(needs_restart(a, b).empty());
  b.server.shards = 2;
  b.redis.prefix = "x";
  b.limits.open_tokens = 1;
  EXPECT_EQ(needs_restart(a, b), (std::vector<std::string>{"server.shards", "redis.prefix", "limits"}));
}

TEST_F(ConfigTest, SecretsOfAnAccountNeedNoRestartAndAllElseOfItDoes) {
  const auto a = load(kWhatsapp).config;
  ASSERT_FALSE(a.whatsapp.empty());
  const std::string name = "whatsapp." + a.whatsapp[0].id;
  auto b = a;
  b.whatsapp[0].access_token = b.whatsapp[0].verify_token = Secret("another");
  b.whatsapp[0].app_secrets.emplace_back("another");
  EXPECT_TRUE(needs_restart(a, b).empty());
  b.whatsapp[0].graph_url = "https://elsewhere.example";
  b.whatsapp[0].rate = 7;
  EXPECT_EQ(needs_restart(a, b), (std::vector<std::string>{name + ".graph_url", name + ".rate"}));
  b.whatsapp[0].id = "new";
  EXPECT_EQ(needs_restart(a, b), (std::vector<std::string>{name, "whatsapp.new"}));
  b = a;
  b.queues.push_back({.id = "hall"});
  EXPECT_EQ(needs_restart(a, b), std::vector<std::string>{"queue.hall"});
  EXPECT_TRUE(needs_restart(b, a).empty());
}

// The file we ship says nothing but the defaults, and its examples are right.
TEST_F(ConfigTest, TheShippedFile) {
  const std::string path = std::string(BELFRY_SOURCE_DIR) + "/config/belfry.toml";
  const auto shipped = load_config(path);
  EXPECT_EQ(lines(shipped), "");
  EXPECT_TRUE(shipped.ok());
  // Every commented key, uncommented: no unknown key, and no mistake but the files that are not there.
  std::ifstream in(path);
  std::string text;
  for (std::string line; std::getline(in, line);) {
    const bool key = line.starts_with("#") && !line.starts_with("# ");
    text += (key ? line.substr(1) : line) + "\n";
  }
  for (const auto& problem : load(text).problems) {
    EXPECT_NE(problem.text.find("which cannot be read; No such file"), std::string::npos) << to_string(problem);
  }
}

TEST(Words, DurationsAndSizes) {
  EXPECT_EQ(parse_duration_ms("30s"), 30'000);
  EXPECT_EQ(parse_duration_ms("250ms"), 250);
  EXPECT_EQ(parse_duration_ms("5m"), 300'000);
  EXPECT_EQ(parse_duration_ms("24h"), 86'400'000);
  EXPECT_EQ(parse_duration_ms("2d"), 172'800'000);
  for (const char* wrong : {"", "s", "30", "-1s", "1.5s", "30 s", "30S", "99999999999999999h", "1s1s"})
    EXPECT_FALSE(parse_duration_ms(wrong)) << wrong;
  EXPECT_EQ(parse_size("1MiB"), 1 << 20);
  EXPECT_EQ(parse_size("0B"), 0);
  for (const char* wrong : {"", "1", "1MB", "1mib", "-1B", "9999999999TiB"}) EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Words, Addresses) {
  EXPECT_EQ(parse_listen("https://[::1]:0"), (ListenAddress{true, "::1", 0}));
  EXPECT_EQ(parse_listen("http://localhost:80/"), (ListenAddress{false, "localhost", 80}));
  for (const char* wrong :
       {"", "https://", "https://x", "https://x:", "https://x:y", "https://x:1/p", "x:1", "https://[::1:1", "https://u@x:1"}) {
    EXPECT_FALSE(parse_listen(wrong)) << wrong;
  }
  EXPECT_TRUE(is_loopback("127.1.2.3"));
  EXPECT_FALSE(is_loopback("127.example.org"));
  EXPECT_FALSE(is_loopback("10.0.0.1"));
}

}  // namespace
}  // namespace belfry::gateway
