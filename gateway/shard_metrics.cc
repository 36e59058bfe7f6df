#include "gateway/shard_metrics.h"

namespace belfry::gateway {

ShardMetrics::ShardMetrics(Metrics& m) : metrics_(m) {
  const auto requests = [&](const char* result) {
    return m.counter("belfry_webhook_requests_total", "Webhook requests by how they were answered.", {{"result", result}});
  };
  accepted_.counter = requests("accepted");
  refused_auth_.counter = requests("unauthorized");
  refused_bad_.counter = requests("malformed");
  refused_later_.counter = requests("unavailable");
  const auto events = [&](const char* kind) {
    return m.counter("belfry_webhook_events_total", "Updates of providers by what they were.", {{"kind", kind}});
  };
  messages_.counter = events("message");
  duplicates_.counter = events("duplicate");
  receipts_.counter = events("receipt");
  unmatched_.counter = events("unmatched_receipt");
  changes_.counter = events("change");
  quarantined_.counter = events("quarantined");
  news_.counter = events("account_news");
  const auto sends = [&](const char* result) {
    return m.counter("belfry_sends_total", "Messages handed to providers, by the answer.", {{"result", result}});
  };
  sent_.counter = sends("sent");
  failed_.counter = sends("failed");
  uncertain_.counter = sends("uncertain");
  returned_.counter = sends("returned");
  settle_retries_.counter =
      m.counter("belfry_settle_retries_total", "Answers of providers that the store could not take at first.");
  offers_.counter = m.counter("belfry_offers_total", "Conversations offered to agents by the matcher.");
  offers_refused_.counter = m.counter("belfry_offers_refused_total", "Offers the store refused because the picture was old.");
  offers_failed_.counter =
      m.counter("belfry_offers_failed_total", "Conversations of which three more offers in a row were declined or not answered.");
  swept_.counter = m.counter("belfry_deadlines_total", "Deadlines that came due (offers, wrap-up, parking, absence).");
  recounted_.counter = m.counter("belfry_recounts_total", "Conversations whose counters were compared with their messages.");
  media_fetched_.counter =
      m.counter("belfry_media_total", "Media of citizens' messages by how fetching ended.", {{"result", "fetched"}});
  media_failed_.counter =
      m.counter("belfry_media_total", "Media of citizens' messages by how fetching ended.", {{"result", "failed"}});
  archived_.counter = m.counter("belfry_archived_total", "Conversations that moved from Redis to the archive.");
  archive_lines_.counter = m.counter("belfry_archive_lines_total", "Lines written to the archive.");
  archive_failures_.counter = m.counter("belfry_archive_failures_total",
                                        "Batches for the archive that the disk or Redis did not take; they are repeated.");
  no_news_.counter = m.counter("belfry_messages_no_news_total", "Messages closed as expired after 31 days without news.");
  history_entries_.counter = m.counter("belfry_history_entries_total", "Transitions counted for the history.");
  history_gaps_.counter =
      m.counter("belfry_history_gaps_total", "Times the transition log had lost entries before they were counted.");
  history_failures_.counter =
      m.counter("belfry_history_failures_total", "Steps of counting that the store did not take; they are tried again.");
  memory_used_ = m.gauge("belfry_redis_memory_used_bytes", "Memory of Redis that counts against its limit.");
  memory_max_ = m.gauge("belfry_redis_memory_max_bytes", "The limit of Redis' memory; 0: it has none.");
  disk_free_ = m.gauge("belfry_disk_free_bytes", "Free disk under the embedded Redis; -1: Redis is elsewhere.");
  admission_level_ = m.gauge("belfry_admission_level",
                             "What is refused: 0 nothing, 1 bulk, 2 new conversations, 3 all but alerts, 4 everything.");
  redis_call = m.histogram("belfry_redis_call_seconds", "How long the store takes to answer one call.", kSecondsShort);
  open_tokens_ = m.gauge("belfry_open_events", "Updates of providers in the store's hands, not yet acknowledged.");
  in_flight_ = m.gauge("belfry_sends_in_flight", "Messages handed to providers and not yet answered.");
  desks_ = m.gauge("belfry_desk_sockets", "Open desks.");
  redis_up_ = m.gauge("belfry_shards_redis_up", "Shards whose Redis answers.");
  leased_ = m.gauge("belfry_shards_leased", "Shards that hold their lease.");
  outstanding_ = m.gauge("belfry_redis_outstanding", "Commands sent to Redis and not yet answered.");
  waiting_ = m.gauge("belfry_conversations_waiting", "Conversations that wait for an agent.");
  ready_ = m.gauge("belfry_agents_ready", "Agents who are ready and connected.");
  unaccounted_ = m.gauge("belfry_messages_unaccounted", "Messages whose counters and states differ: anything but 0 is a bug.");
}

void ShardMetrics::publish(const Now& now) {
  accepted_.at(now.webhook.accepted);
  refused_auth_.at(now.webhook.refused_auth);
  refused_bad_.at(now.webhook.refused_bad);
  refused_later_.at(now.webhook.refused_later);
  messages_.at(now.intake.messages);
  duplicates_.at(now.intake.duplicates);
  receipts_.at(now.intake.receipts);
  unmatched_.at(now.intake.unmatched);
  changes_.at(now.intake.changes);
  quarantined_.at(now.intake.quarantined);
  news_.at(now.intake.news);
  sent_.at(now.outgoing.sent);
  failed_.at(now.outgoing.failed);
  uncertain_.at(now.outgoing.uncertain);
  returned_.at(now.outgoing.returned);
  settle_retries_.at(now.outgoing.settle_retries);
  offers_.at(now.matcher.offers);
  offers_refused_.at(now.matcher.offers_refused);
  offers_failed_.at(now.matcher.offers_failed);
  swept_.at(now.matcher.swept);
  recounted_.at(now.matcher.recounted);
  media_fetched_.at(now.media.fetched);
  media_failed_.at(now.media.failed);
  open_tokens_.set(static_cast<std::int64_t>(now.open_tokens));
  in_flight_.set(static_cast<std::int64_t>(now.in_flight));
  desks_.set(static_cast<std::int64_t>(now.desks));
  redis_up_.set(now.redis_up ? 1 : 0);
  leased_.set(now.leased ? 1 : 0);
  outstanding_.set(static_cast<std::int64_t>(now.redis_outstanding));
  waiting_.set(now.matching ? static_cast<std::int64_t>(now.waiting) : 0);
  ready_.set(now.matching ? static_cast<std::int64_t>(now.ready_agents) : 0);
  unaccounted_.set(now.matching ? now.unaccounted : 0);
  archived_.at(now.archiver.archived);
  archive_lines_.at(now.archiver.written);
  archive_failures_.at(now.archiver.failed);
  no_news_.at(now.archiver.expired);
  history_entries_.at(now.historian.entries);
  history_gaps_.at(now.historian.gaps);
  history_failures_.at(now.historian.failed);
  for (const Outgoing::Binds& each : now.binds) {
    auto it = binds_.find(each.account);
    if (it == binds_.end()) {
      const auto gauge = [&](const char* state) {
        return metrics_.gauge("belfry_smpp_binds", "Binds of an account at its SMSC.",
                              {{"account", std::string(each.account)}, {"state", state}});
      };
      it = binds_.emplace(each.account, Binds{gauge("up"), gauge("down")}).first;
    }
    it->second.up.set(each.up);
    it->second.down.set(each.down);
  }
  if (now.headroom == nullptr) return;
  memory_used_.set(now.headroom->seen().used);
  memory_max_.set(now.headroom->seen().max);
  disk_free_.set(now.headroom->seen().disk_free);
  admission_level_.set(static_cast<std::int64_t>(now.headroom->level()));
}

}  // namespace belfry::gateway
