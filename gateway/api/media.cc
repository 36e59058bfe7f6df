// Media: what citizens sent (msg_<conversation>.<n>, authorised by its conversation) and what is uploaded to be sent
// (media_<sha256>). What a citizen sent may be anything: it is always a download, never shown or run as part of our pages.
#include <algorithm>

#include "adapters/whatsapp/receiver.h"
#include "adapters/wire/members.h"
#include "gateway/api/archived.h"
#include "gateway/api/call.h"
#include "gateway/api/uploads.h"
#include "gateway/desk_hub.h"
#include "gateway/media_store.h"

namespace belfry::gateway::api {
namespace {

constexpr std::string_view kKeepMs = "2592000000";  // an upload waits 30 days to be sent
constexpr std::size_t kChunk = 4UL << 20;

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// type/subtype and parameters, in characters that cannot end a header.
bool is_mime(std::string_view text) {
  return !text.empty() && text.size() <= 127 && text.find('/') != std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>'; });
}

// RFC 6266 with RFC 8187: the plain name for everybody, the true one for who reads it.
std::string disposition(const Media& media) {
  const std::string name = whatsapp::clean_filename(media.filename);
  if (name.empty()) return "attachment";
  std::string plain, full;
  for (const char c : name) {
    const auto octet = static_cast<unsigned char>(c);
    const bool safe =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    plain.push_back(octet < 0x80 && c != '"' && c != '\\' && c != '%' ? c : '_');
    if (safe) {
      full.push_back(c);
    } else {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      full.append("%").append(1, kHex[octet >> 4]).append(1, kHex[octet & 15]);
    }
  }
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + full;
}

void fill_in(Content& content, const Media& upload) {
  Media& mine = *content.media;
  mine.size = upload.size;
  if (mine.mime.empty()) mine.mime = upload.mime;
  if (mine.filename.empty()) mine.filename = upload.filename;
  if (content.type != "media") return;
  content.type = kind_of(mine.mime);
}

struct Reading {
  Media media;
  std::size_t size = 0;
  std::string bytes;
};

void read_on(Room& room, const CallPtr& call, const std::shared_ptr<Reading>& reading) {
  room.options.media->read(reading->media.sha256, static_cast<std::int64_t>(reading->bytes.size()), kChunk,
                           [&room, call, reading](Result<std::string> chunk) {
                             if (chunk) reading->bytes += *chunk;
                             const bool whole = reading->bytes.size() >= reading->size;
                             if (chunk && !chunk->empty() && !whole) return read_on(room, call, reading);
                             room.reading -= reading->size;
                             if (!chunk || !whole) return call->error({Errc::kInternal, "media file cannot be read"});
                             call->answer(as_download(reading->media, std::move(reading->bytes)));
                           });
}

void read_file(Room& room, const CallPtr& call, Media media) {
  if (!is_sha256(media.sha256)) {
    return call->problem(
        wire::problem(404, "media_not_ready", "The file has not been fetched from the provider yet. Ask again in a minute."));
  }
  auto reading = std::make_shared<Reading>();
  reading->media = std::move(media);
  room.options.media->size(reading->media.sha256, [&room, call, reading](Result<std::int64_t> size) {
    if (!size && size.error().code == Errc::kNotFound) {
      return call->problem(wire::problem(
          404, "media_not_ready",
          "The file is not here: it has not been fetched from the provider yet, or its time is over. Ask again in a minute."));
    }
    if (!size) return call->error(size.error());
    reading->size = static_cast<std::size_t>(*size);
    if (room.reading + reading->size > room.options.max_media_waiting)
      return call->error({Errc::kBusy, "too much media being read"});
    room.reading += reading->size;
    reading->bytes.reserve(reading->size);
    read_on(room, call, reading);
  });
}

void get(Room& room, const CallPtr& call) {
  if (call->args[0].starts_with("media_")) {
    return find_upload(room.commands, call->subject, call->args[0], [&room, call](Result<Media> media) {
      if (!media && media.error().code == Errc::kNotFound) return call->problem(not_found("file"));
      if (!media) return call->error(media.error());
      read_file(room, call, std::move(*media));
    });
  }
  const auto ref = parse_message_id(call->args[0]);
  if (!ref) return call->problem(not_found("file"));
  room.services.store.cards({ref->conversation}, [&room, call, ref](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    if (cards->empty()) {
      return with_archived(room, call, ref->conversation, "media", "file",
                           [&room, call, ref](const ArchivedConversation& archived) {
                             auto media = archived_media(archived, ref->n);
                             if (!media) return call->problem(not_found("file"));
                             read_file(room, call, std::move(*media));
                           });
    }
    if (!authorize(call->subject, Action::kRead, {"media", cards->front().owner, cards->front().queue})) {
      return call->problem(not_found("file"));
    }
    room.services.store.entries(ref->conversation, {ref->n}, [&room, call, ref](Result<std::vector<routing::Line>> lines) {
      if (!lines) return call->error(lines.error());
      if (lines->empty() || lines->front().entry.empty()) return call->problem(not_found("file"));
      // What is said of a citizen's file counts once it was fetched: view_of knows.
      auto media = view_of(*ref, lines->front()).content.media;
      if (!media) return call->problem(not_found("file"));
      if (lines->front().reason.starts_with("media_failed:")) {
        return call->problem(
            wire::problem(404, "media_lost", "The provider did not give the file. Ask the citizen to send it again."));
      }
      read_file(room, call, std::move(*media));
    });
  });
}

void post(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"media"})) return;
  if (const Level level = room.services.level(); level >= Level::kAlertsOnly) return call->problem(no_room(level));
  const HttpRequest& request = call->request();
  const std::string mime(request.headers.get("content-type"));
  if (!is_mime(mime))
    return call->problem(wire::problem(415, "no_media_type", "Say what the file is in Content-Type, for example image/jpeg."));
  if (request.body.empty())
    return call->problem(wire::problem(422, "empty_body", "The body is empty. Send the file itself as the body."));
  Media about;
  about.mime = mime;
  about.filename = whatsapp::clean_filename(query_value(request.query, "filename"));
  keep_upload(*room.options.media, room.commands, request.body, about, call->subject.id,
              static_cast<std::int64_t>(room.options.max_media), [call](Result<Media> kept) {
                if (!kept) return call->error(kept.error());
                std::string out = "{";
                wire::member(out, "id", "media_" + kept->sha256);
                wire::member(out, "mime", kept->mime);
                wire::member_int(out, "size", kept->size);
                call->json(201, out + "}");
              });
}

}  // namespace

void admit_upload(const Outbox& outbox, Commands& commands, const Subject& subject, std::string_view account, Content content,
                  std::function<void(tl::expected<Content, wire::Problem>)> done) {
  auto named = outbox.file_named(account, content);
  if (!named) return done(std::move(content));
  const std::string id = "media_" + named->sha256;
  find_upload(commands, subject, id,
              [named = std::move(*named), content = std::move(content), done = std::move(done)](Result<Media> upload) mutable {
                if (upload) {
                  content.media = std::move(named);
                  fill_in(content, *upload);
                  return done(std::move(content));
                }
                if (upload.error().code != Errc::kNotFound) return done(tl::unexpected(wire::problem_of(upload.error())));
                done(tl::unexpected(wire::problem(422, "unknown_media",
                                                  "The media id names no upload of yours. Send the file to POST /api/v1/media "
                                                  "first, and use the id that it answers.")));
              });
}

std::string kind_of(std::string_view mime) {
  const std::string kind(mime.substr(0, mime.find('/')));
  return kind == "image" || kind == "audio" || kind == "video" ? kind : "document";
}

void keep_upload(MediaStore& files, Commands& commands, const std::string& bytes, Media about, const std::string& who,
                 std::int64_t most, std::function<void(Result<Media>)> done) {
  const std::shared_ptr<Upload> upload = files.create(most);
  upload->write(bytes);
  // The upload lives until its answer.
  upload->finish({}, [&commands, upload, about = std::move(about), who,
                      done = std::move(done)](Result<StoredMedia> stored) mutable {
    if (!stored) return done(tl::unexpected(std::move(stored.error())));
    about.sha256 = stored->sha256;
    about.size = stored->size;
    const std::string key = commands.key("upload:" + about.sha256);
    commands.all({{"HSET", key, "mime", about.mime, "name", about.filename, "size", std::to_string(about.size), "by:" + who, "1"},
                  {"PEXPIRE", key, std::string(kKeepMs)}},
                 [about, done = std::move(done)](Result<std::vector<routing::Value>> kept) mutable {
                   if (!kept) return done(tl::unexpected(std::move(kept.error())));
                   done(std::move(about));
                 });
  });
}

HttpResponse as_download(const Media& media, std::string bytes) {
  HttpResponse response{200, {}, std::move(bytes)};
  response.headers.add("content-type", is_mime(media.mime) ? media.mime : "application/octet-stream");
  response.headers.add("content-disposition", disposition(media));
  response.headers.add("x-content-type-options", "nosniff");
  response.headers.add("content-security-policy", "sandbox; default-src 'none'");
  response.headers.add("cross-origin-resource-policy", "same-origin");
  response.headers.add("cache-control", "private, max-age=86400, immutable");
  return response;
}

namespace {

// `all`: whoever's it is.
void read_upload(Commands& commands, const std::string& who, bool all, std::string_view id,
                 std::function<void(Result<Media>)> done) {
  if (!id.starts_with("media_") || !is_sha256(id.substr(6))) return done(fail(Errc::kNotFound, "not an upload's id"));
  const std::string sha256(id.substr(6));
  commands.run({"HMGET", commands.key("upload:" + sha256), "mime", "name", "size", "by:" + who},
               [sha256, all, done = std::move(done)](Result<routing::Value> found) {
                 if (!found) return done(tl::unexpected(std::move(found.error())));
                 if (text_at(*found, 0).empty() || (!all && text_at(*found, 3).empty()))
                   return done(fail(Errc::kNotFound, "no such upload of his"));
                 Media media;
                 media.sha256 = sha256;
                 media.mime = text_at(*found, 0);
                 media.filename = text_at(*found, 1);
                 media.size = std::atoll(text_at(*found, 2).c_str());
                 done(std::move(media));
               });
}

}  // namespace

void find_upload(Commands& commands, const std::string& who, std::string_view id, std::function<void(Result<Media>)> done) {
  read_upload(commands, who, false, id, std::move(done));
}

void find_upload(Commands& commands, const Subject& subject, std::string_view id, std::function<void(Result<Media>)> done) {
  read_upload(commands, subject.id, authorize(subject, Action::kRead, {"media"}).has_value(), id, std::move(done));
}

std::vector<Route> media_routes() {
  return {{"POST", "/media", Takes::kBytes, Who::kKnown, post}, {"GET", "/media/{id}", Takes::kNothing, Who::kKnown, get}};
}

}  // namespace belfry::gateway::api
