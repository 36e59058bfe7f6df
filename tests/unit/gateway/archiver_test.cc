// An end to memory: the rule of what is refused as a table; the archive's files, torn and whole; and the archiver over the
// reference model, with a clock of its own.
#include "gateway/archiver.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "gateway/archive.h"
#include "gateway/headroom.h"
#include "gateway/media_keep.h"
#include "gateway/work_pool.h"
#include "routing/record.h"
#include "routing/store_memory.h"

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kMiB = 1 << 20;

TEST(Headroom, ALevelForEachShareAndEachDisk) {
  struct Case {
    std::int64_t used, max, disk_free, log_size;
    Level level;
  };
  constexpr std::int64_t kReserve = 1024 * kMiB;
  const Case cases[] = {
      {0, 1000, -1, 0, Level::kAll},
      {699, 1000, -1, 0, Level::kAll},
      {700, 1000, -1, 0, Level::kNoBulk},
      {849, 1000, -1, 0, Level::kNoBulk},
      {850, 1000, -1, 0, Level::kNoOpening},
      {949, 1000, -1, 0, Level::kNoOpening},
      {950, 1000, -1, 0, Level::kAlertsOnly},
      {5000, 1000, -1, 0, Level::kAlertsOnly},
      {6'999, 10'000, -1, 0, Level::kAll},         // 69.99 %
      {5000, 0, -1, 0, Level::kAll},               // an external Redis without a limit
      {1LL << 45, 1LL << 46, -1, 0, Level::kAll},  // 64 TiB: no overflow
      {(1LL << 46) - 1, 1LL << 46, -1, 0, Level::kAlertsOnly},
      {0, 1000, kReserve - 1, 0, Level::kNothing},
      {960, 1000, kReserve - 1, 0, Level::kNothing},  // the worse of both
      {0, 1000, 0, 0, Level::kNothing},
      {0, 1000, kReserve, 0, Level::kAll},
      {0, 1000, kReserve + 9 * kMiB, 10 * kMiB, Level::kNoBulk},
      {0, 1000, kReserve + 10 * kMiB, 10 * kMiB, Level::kAll},
      {900, 1000, kReserve + 9 * kMiB, 10 * kMiB, Level::kNoOpening},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(name_of(level_of({c.used, c.max, c.disk_free, c.log_size}, kReserve)), name_of(c.level))
        << c.used << "/" << c.max << " disk " << c.disk_free << " log " << c.log_size;
  }
  EXPECT_EQ(level_of({0, 0, 5, 0}, 0), Level::kAll) << "disk_reserve = 0: the disk is not looked at";
}

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    root = fs::temp_directory_path() / ("belfry_archive_test." + std::to_string(::getpid()));
    fs::remove_all(root);
    fs::create_directories(root);
    dir = root / "archive";
  }
  ~ArchiveTest() override { fs::remove_all(root); }

  static ArchiveLine line(std::int64_t id, const std::string& more = "x", std::int64_t day = 0) {
    return {id, WallTime{kNovember + day * kDay}, R"({"id":"conv_)" + std::to_string(id) + R"(","more":")" + more + "\"}"};
  }
  std::string file(const std::string& name) const {
    std::ifstream in(dir / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(dir / name, std::ios::binary | std::ios::app) << bytes;
  }
  std::string found(std::int64_t id) const { return find_in_archive(dir, id).value_or("none"); }

  static constexpr std::int64_t kNovember = 1'793'664'000'000;  // 2026-11-03
  fs::path root, dir;
};

TEST_F(ArchiveTest, ALineIsFoundByItsNumber) {
  EXPECT_EQ(found(7), "none");
  EXPECT_EQ(append_to_archive(dir, {line(7), line(5), line(6, "y", 30)}).value_or(9), 3U);
  EXPECT_EQ(append_to_archive(dir, {line(8)}).value_or(9), 1U);
  EXPECT_EQ(file("2026-11.jsonl"), line(7).text + "\n" + line(5).text + "\n" + line(8).text + "\n");
  EXPECT_EQ(file("2026-12.jsonl"), line(6, "y").text + "\n");
  for (const std::int64_t id : {5, 7, 8}) EXPECT_EQ(found(id), line(id).text);
  EXPECT_EQ(found(6), line(6, "y").text);
  for (const std::int64_t id : {0, 1, 4, 9, 1'000'000}) EXPECT_EQ(found(id), "none");
  EXPECT_EQ(fs::status(dir).permissions() & fs::perms::all, fs::perms::owner_all);
  EXPECT_EQ(fs::status(dir / "2026-11.jsonl").permissions() & fs::perms::others_all, fs::perms::none);
}

TEST_F(ArchiveTest, ARepeatWritesNothingAndAChangeWritesASecondLine) {
  ASSERT_TRUE(append_to_archive(dir, {line(7), line(8)}));
  EXPECT_EQ(append_to_archive(dir, {line(7), line(8), line(9)}).value_or(9), 1U);
  EXPECT_EQ(append_to_archive(dir, {line(7, "changed")}).value_or(9), 1U);
  EXPECT_EQ(found(7), line(7, "changed").text);
  EXPECT_EQ(file("2026-11.jsonl"),
            line(7).text + "\n" + line(8).text + "\n" + line(9).text + "\n" + line(7, "changed").text + "\n");
}

TEST_F(ArchiveTest, ATornLineIsNobodys) {
  ASSERT_TRUE(append_to_archive(dir, {line(7)}));
  const std::string torn = line(8).text.substr(0, 12);
  put("2026-11.jsonl", torn);
  EXPECT_EQ(append_to_archive(dir, {line(8), line(9)}).value_or(9), 2U);
  EXPECT_EQ(file("2026-11.jsonl"), line(7).text + "\n" + torn + "\n" + line(8).text + "\n" + line(9).text + "\n");
  for (const std::int64_t id : {7, 8, 9}) EXPECT_EQ(found(id), line(id).text);
}

// Cut anywhere, as by a crash: whoever comes again finds what is whole and writes what is not.
TEST_F(ArchiveTest, CutAtAnyOctetTheRepeatMendsIt) {
  const std::vector<ArchiveLine> all{line(7), line(8, "longer than the others"), line(9)};
  ASSERT_TRUE(append_to_archive(dir, all));
  const std::string whole = file("2026-11.jsonl");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    fs::resize_file(dir / "2026-11.jsonl", size);
    ASSERT_TRUE(append_to_archive(dir, all));
    for (const ArchiveLine& each : all) {
      EXPECT_EQ(found(each.id), each.text) << "cut at " << size;
      std::size_t times = 0;
      std::istringstream lines(file("2026-11.jsonl"));
      for (std::string one; std::getline(lines, one);)
        if (one == each.text) ++times;
      EXPECT_EQ(times, 1U) << "cut at " << size;
    }
    fs::remove(dir / "2026-11.jsonl");
    fs::remove(dir / "index");
    ASSERT_TRUE(append_to_archive(dir, all));
  }
}

TEST_F(ArchiveTest, ALostIndexIsMadeAnew) {
  ASSERT_TRUE(append_to_archive(dir, {line(7), line(8, "old"), line(9, "z", 40)}));
  ASSERT_TRUE(append_to_archive(dir, {line(8, std::string(3'000'000, 'x'))}));
  put("2026-11.jsonl", "not a line of ours\n{\"id\":\"conv_");
  fs::remove(dir / "index");
  EXPECT_EQ(found(7), "none");
  EXPECT_EQ(append_to_archive(dir, {line(7), line(10)}).value_or(9), 1U);
  EXPECT_EQ(found(7), line(7).text);
  EXPECT_EQ(found(8).size(), line(8, std::string(3'000'000, 'x')).text.size());
  EXPECT_EQ(found(9), line(9, "z").text);
  EXPECT_EQ(found(10), line(10).text);
}

TEST_F(ArchiveTest, AnIndexThatLiesIsNotBelieved) {
  ASSERT_TRUE(append_to_archive(dir, {line(7), line(8)}));
  std::string index = file("index");
  index.replace(7 * 16, 16, index.substr(8 * 16, 16));
  std::ofstream(dir / "index", std::ios::binary) << index;
  EXPECT_EQ(found(7), "none");
  std::ofstream(dir / "index", std::ios::binary) << std::string(7 * 16, '\0') << std::string(16, '\xff');
  EXPECT_EQ(found(7), "none");
  EXPECT_TRUE(append_to_archive(dir, {line(7)}));
  EXPECT_EQ(found(7), line(7).text);
}

TEST_F(ArchiveTest, MonthsEnd) {
  ASSERT_TRUE(append_to_archive(dir, {line(1, "x", -31), line(2, "x", -400), line(3), line(4, "x", 31)}));
  put("notes.txt", "the operator's own");
  put("2020-13.jsonl", "no month");
  EXPECT_EQ(prune_archive(dir, WallTime{kNovember}, 24).value_or(std::vector<std::string>{"?"}), std::vector<std::string>{});
  EXPECT_EQ(prune_archive(dir, WallTime{kNovember}, 1).value_or(std::vector<std::string>{"?"}),
            std::vector<std::string>{"2025-09.jsonl"});
  EXPECT_EQ(prune_archive(dir, WallTime{kNovember}, 0).value_or(std::vector<std::string>{"?"}),
            std::vector<std::string>{"2026-10.jsonl"});
  EXPECT_EQ(found(1), "none");
  EXPECT_EQ(found(3), line(3).text);
  EXPECT_TRUE(fs::exists(dir / "2026-12.jsonl") && fs::exists(dir / "notes.txt") && fs::exists(dir / "2020-13.jsonl"));
  EXPECT_TRUE(prune_archive(root / "nowhere", WallTime{kNovember}, 1));
}

TEST_F(ArchiveTest, ADiskThatTakesNothingIsAnError) {
  std::ofstream(root / "file") << "no directory";
  const auto out = append_to_archive(root / "file", {line(7)});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::kUnavailable);
  EXPECT_FALSE(append_to_archive("/dev/full/archive", {line(7)}));
}

// ---- the archiver over the model

class ArchiverTest : public ArchiveTest {
 protected:
  ArchiverTest() : store(routing::make_memory_store([this] { return WallTime{now}; })) {
    routing::Fields agent{{"cap", "100"}, {"queues", "water"}};
    store->agent_put("ana", agent, [](const auto&) {});
    make(30);
  }

  void make(int closed_days) {
    Archiver::Deps deps{loop, *store, pool, [this] { return Now{Instant{now}, WallTime{now}}; }, dir.string(), closed_days, 24};
    deps.every_ms = 1;
    deps.media_dir = (root / "media").string();
    archiver = std::make_unique<Archiver>(std::move(deps));
  }
  // Until nothing more is done.
  void work() {
    archiver->start();
    archiver->on_lease(true, Instant{now + kDay});
    const auto end = std::chrono::steady_clock::now() + patience;
    for (int quiet = 0; quiet < 40 && std::chrono::steady_clock::now() < end;) {
      loop.restart();
      loop.run_for(std::chrono::milliseconds(2));
      quiet = archiver->idle() ? quiet + 1 : 0;
    }
    archiver->stop();
    loop.restart();
    loop.run_for(std::chrono::milliseconds(5));
    const Archiver::Counts counts = archiver->counts();
    total.archived += counts.archived;
    total.written += counts.written;
    total.expired += counts.expired;
    total.failed += counts.failed;
    total.media_removed += counts.media_removed;
    make(days);
  }

  std::string entry(routing::Dir dir_, const std::string& words, const std::string& media = "") const {
    routing::Entry e;
    e.dir = dir_;
    e.content.type = "text";
    e.content.text = words;
    e.content.detail = "{\n \"as\": \"it came\"\n}";
    if (!media.empty()) e.content.media = Media{media, "", "image/png", "", "", 0, false, false};
    e.at = WallTime{now};
    return routing::encode_entry(e);
  }
  std::string hear(const std::string& who, const std::string& media = "") {
    routing::Ingest in;
    in.account = "w";
    in.channel = "wa";
    in.dedupe = "wamid" + std::to_string(++serial);
    in.at = WallTime{now};
    in.addresses = {"wa:p:" + who};
    in.name = who;
    in.queue = "water";
    in.entry = entry(routing::Dir::kIn, "hello", media);
    in.has_media = !media.empty();
    std::string id;
    store->ingest(in, [&](const Result<routing::Ingested>& out) { id = out->ref.conversation; });
    return id;
  }
  MessageRef answer(const std::string& conversation, State state) {
    routing::Reply what;
    what.by.conversation = conversation;
    what.entry = entry(routing::Dir::kOut, "an answer");
    MessageRef ref;
    store->reply(what, [&](const Result<routing::Outcome>& out) { ref = out->ref; });
    if (state != State::kQueued) settle(ref, state);
    return ref;
  }
  void settle(const MessageRef& ref, State state) {
    store->settle("w", {{ref, state, "", ""}}, [](const auto&) {});
  }
  void close(const std::string& id) {
    const auto& c = store->world().conversations.at(id);
    store->close({id, c.gen, "", ""}, "done", {}, [](const Result<routing::Outcome>& out) { ASSERT_EQ(out->state, "closed"); });
  }
  bool alive(const std::string& id) const { return store->world().conversations.contains(id); }
  json archived(const std::string& id) const { return json::parse(found(std::stoll(id))); }

  std::int64_t now = kNovember;
  int days = 30;
  asio::io_context loop{1};
  WorkPool pool{1};
  std::unique_ptr<routing::MemoryStore> store;
  std::unique_ptr<Archiver> archiver;
  Archiver::Counts total;
  int serial = 0;
  std::chrono::milliseconds patience{20'000};
};

TEST_F(ArchiverTest, AConversationGoesAfterItsDaysAndNotBefore) {
  const std::string id = hear("7"), open = hear("8");
  answer(id, State::kRead);
  answer(open, State::kRead);
  now += 60'000;
  close(id);
  now += 30 * kDay - 1;
  work();
  EXPECT_TRUE(alive(id));
  now += 1;
  work();
  EXPECT_FALSE(alive(id));
  EXPECT_TRUE(alive(open));
  const json a = archived(id);
  EXPECT_EQ(a.at("address"), "wa:p:7");
  const json& c = a.at("conversation");
  EXPECT_EQ(c.at("id"), "conv_" + id);
  EXPECT_EQ(c.at("state"), "closed");
  EXPECT_EQ(c.at("archived"), true);
  EXPECT_EQ(c.at("queue"), "queue_water");
  EXPECT_EQ(c.at("why"), "done");
  EXPECT_EQ(c.at("closed_at"), "2026-11-03T00:01:00.000Z");
  ASSERT_EQ(a.at("messages").size(), 2U);
  EXPECT_EQ(a.at("messages")[0].at("id"), "msg_" + id + ".1");
  EXPECT_EQ(a.at("messages")[0].at("detail").at("as"), "it came");
  EXPECT_EQ(a.at("messages")[1].at("state"), "read");
  EXPECT_TRUE(fs::exists(dir / "2026-11.jsonl")) << "the month of closing";
  const auto read = read_archive_line(found(std::stoll(id)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->queue, "water");
  ASSERT_EQ(read->messages.size(), 2U);
  EXPECT_EQ(json::parse(read->messages[1]), a.at("messages")[1]);
}

TEST_F(ArchiverTest, WhatWaitsForNewsStaysUntilItHasSomeOrAMonthIsOver) {
  const std::string soon = hear("7"), never = hear("8"), queued = hear("9");
  const MessageRef sent = answer(soon, State::kSent);
  answer(never, State::kSent);
  answer(never, State::kUncertain);
  answer(queued, State::kQueued);
  for (const std::string& id : {soon, never, queued}) close(id);
  now += 30 * kDay;
  work();
  EXPECT_TRUE(alive(soon) && alive(never) && alive(queued));
  settle(sent, State::kDelivered);
  now += 2 * 3'600'000;
  work();
  EXPECT_FALSE(alive(soon));
  EXPECT_TRUE(alive(never) && alive(queued));
  now += 22 * 3'600'000;
  work();
  EXPECT_FALSE(alive(never) || alive(queued));
  EXPECT_EQ(total.expired, 3U);
  for (const std::string& id : {never, queued}) {
    EXPECT_EQ(archived(id).at("messages")[1].at("state"), "expired");
    EXPECT_EQ(archived(id).at("messages")[1].at("reason"), "no_news");
  }
}

TEST_F(ArchiverTest, AMonthWithoutNewsEndsAMessageOfWhatIsStillOpen) {
  const std::string id = hear("7");
  const MessageRef old = answer(id, State::kSent);
  now += 20 * kDay;
  const MessageRef young = answer(id, State::kSent);
  now += 11 * kDay;
  work();
  const auto& log = store->world().conversations.at(id).log;
  EXPECT_EQ(log[static_cast<std::size_t>(old.n - 1)].state, State::kExpired);
  EXPECT_EQ(log[static_cast<std::size_t>(young.n - 1)].state, State::kSent);
  EXPECT_EQ(store->world().conversations.at(id).open, 1);
  settle(old, State::kDelivered);
  EXPECT_EQ(log[static_cast<std::size_t>(old.n - 1)].state, State::kDelivered) << "late news are believed";
}

TEST_F(ArchiverTest, AMediaIsFetchedFirst) {
  days = 0;
  make(0);
  const std::string id = hear("7", "media-1");
  close(id);
  work();
  EXPECT_TRUE(alive(id));
  store->media_done("w", {id, 1}, std::string(64, 'a'), 3, "", [](const auto&) {});
  now += 3'600'000;
  work();
  ASSERT_FALSE(alive(id));
  EXPECT_EQ(archived(id).at("messages")[0].at("media").at("sha256"), std::string(64, 'a'));
}

TEST_F(ArchiverTest, ALogOfSendsEndsWhenNobodyWroteToIt) {
  routing::Send send;
  send.account = "w";
  send.channel = "wa";
  send.address = "wa:p:7";
  std::vector<MessageRef> refs;
  const auto go = [&] {
    send.entry = entry(routing::Dir::kOut, "reminder " + std::to_string(++serial));
    store->send(send, [&](const Result<routing::Outcome>& out) { refs.push_back(out->ref); });
    settle(refs.back(), State::kDelivered);
  };
  go();
  now += kDay / 24;
  go();
  ASSERT_EQ(refs[0].conversation, refs[1].conversation) << "a log of the day";
  now += 29 * kDay;
  work();
  EXPECT_TRUE(alive(refs[0].conversation)) << "somebody wrote 29 days ago";
  go();
  EXPECT_NE(refs[2].conversation, refs[0].conversation) << "another day has another log";
  refs.pop_back();
  now += 2 * kDay;
  work();
  ASSERT_FALSE(alive(refs[0].conversation));
  EXPECT_EQ(archived(refs[0].conversation).at("conversation").at("state"), "sends");
  EXPECT_TRUE(fs::exists(dir / "2026-11.jsonl")) << "the month of the last send";
  go();
  EXPECT_NE(refs[2].conversation, refs[0].conversation);
}

TEST_F(ArchiverTest, ManyGoInBatchesAndLongOnesInPages) {
  days = 0;
  make(0);
  std::vector<std::string> ids;
  for (int i = 0; i < 250; ++i) ids.push_back(hear("c" + std::to_string(i)));
  for (int i = 0; i < 450; ++i) hear("c0");
  for (const std::string& id : ids) close(id);
  work();
  EXPECT_TRUE(store->world().conversations.empty());
  EXPECT_EQ(total.archived, 250U);
  EXPECT_EQ(total.written, 250U);
  EXPECT_EQ(archived(ids[0]).at("messages").size(), 451U);
  EXPECT_TRUE(store->world().closed.empty());
}

TEST_F(ArchiverTest, WithoutADiskItStaysAndWithoutALeaseItWaits) {
  days = 0;
  make(0);
  const std::string id = hear("7");
  close(id);
  std::ofstream(dir.string()) << "no directory";
  patience = std::chrono::milliseconds(50);
  work();
  EXPECT_TRUE(alive(id));
  EXPECT_GT(total.failed, 0U);
  patience = std::chrono::seconds(20);
  fs::remove(dir);
  archiver->start();
  for (int i = 0; i < 10; ++i) loop.run_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(alive(id)) << "another shard holds the lease";
  archiver->stop();
  make(0);
  work();
  EXPECT_FALSE(alive(id));
}

// ---- media

// A file of the media store, as it would lie there.
std::string put_media(const fs::path& dir, char mark, WallTime at) {
  const std::string name(64, mark);
  fs::create_directories(dir / name.substr(0, 2));
  std::ofstream(dir / name.substr(0, 2) / name) << "bytes";
  keep_media(dir, {name}, at);
  return name;
}
bool is_there(const fs::path& dir, const std::string& name) { return fs::exists(dir / name.substr(0, 2) / name); }

TEST_F(ArchiveTest, MediaGoWhenTheirTimeIsOverAndNothingElseDoes) {
  const fs::path media = root / "media";
  EXPECT_EQ(prune_media(media, WallTime{kNovember}).value_or(9), 0U) << "there is none yet";
  const std::string old = put_media(media, 'a', WallTime{kNovember - 2'000}),
                    young = put_media(media, 'b', WallTime{kNovember + 2'000});
  fs::create_directories(media / "tmp");
  std::ofstream(media / "tmp" / "upload") << "under way";
  std::ofstream(media / "aa" / "README") << "not ours";
  keep_media(media, {"aa/../../x", "", std::string(64, 'c')}, WallTime{0});
  EXPECT_EQ(prune_media(media, WallTime{kNovember}).value_or(9), 1U);
  EXPECT_FALSE(is_there(media, old));
  EXPECT_TRUE(is_there(media, young));
  EXPECT_TRUE(fs::exists(media / "tmp" / "upload") && fs::exists(media / "aa" / "README"));
}

TEST_F(ArchiverTest, MediaOfAConversationStayAsLongAsItDoes) {
  const fs::path media = root / "media";
  const std::string shown = put_media(media, 'a', WallTime{now}), nobodys = put_media(media, 'b', WallTime{now});
  const std::string conversation = hear("x", "meta-1");
  store->media_done("w", {conversation, 1}, shown, 5, "", [](const auto&) {});
  now += 29 * kDay;
  work();
  EXPECT_TRUE(is_there(media, shown) && is_there(media, nobodys)) << "not yet";
  now += 5 * kDay;
  work();
  EXPECT_TRUE(is_there(media, shown)) << "it is open";
  EXPECT_FALSE(is_there(media, nobodys));
  EXPECT_EQ(total.media_removed, 1U);
  now += 40 * kDay;  // nobody walked for so long: first it is looked at, then files go
  work();
  EXPECT_TRUE(is_there(media, shown));
  routing::Directive end;
  end.verb = routing::Directive::Verb::kClose;
  end.conversation = conversation;
  end.by = "sue";
  store->direct(end, [](const auto&) {});
  now += 31 * kDay;
  work();
  EXPECT_EQ(total.archived, 1U);
  EXPECT_TRUE(is_there(media, shown)) << "the archive shows it";
  now += 31 * kDay;
  work();
  EXPECT_FALSE(is_there(media, shown));
}

}  // namespace
}  // namespace belfry::gateway
