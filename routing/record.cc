#include "routing/record.h"

#include "routing/record.pb.h"

namespace belfry::routing {

std::string_view shown(Dir dir) {
  switch (dir) {
    case Dir::kIn: return "in";
    case Dir::kOut: return "out";
    case Dir::kNote: return "note";
  }
  return "in";
}

std::string encode_entry(const Entry& entry) {
  pb::Entry out;
  out.set_dir(static_cast<pb::Entry_Dir>(entry.dir));
  out.set_type(entry.content.type);
  out.set_text(entry.content.text);
  if (entry.content.media) {
    const Media& media = *entry.content.media;
    pb::Media* to = out.mutable_media();
    to->set_provider_id(media.provider_id);
    to->set_url(media.url);
    to->set_mime(media.mime);
    to->set_sha256(media.sha256);
    to->set_filename(media.filename);
    to->set_size(media.size);
    to->set_voice(media.voice);
    to->set_animated(media.animated);
  }
  out.set_detail(entry.content.detail);
  out.set_reply_to(entry.content.reply_to);
  out.set_forwarded(entry.content.forwarded);
  out.set_provider_id(entry.provider_id);
  out.set_of(entry.of);
  out.set_at_ms(entry.at.ms);
  out.set_agent(entry.agent);
  out.set_client_id(entry.client_id);
  out.set_lane(static_cast<int>(entry.lane));
  out.set_to(entry.to);
  return out.SerializeAsString();
}

Result<Entry> decode_entry(std::string_view bytes) {
  pb::Entry in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(Errc::kInternal, "a log entry does not parse");
  Entry entry;
  entry.dir = in.dir() == pb::Entry_Dir_OUT ? Dir::kOut : in.dir() == pb::Entry_Dir_NOTE ? Dir::kNote : Dir::kIn;
  entry.content.type = std::move(*in.mutable_type());
  entry.content.text = std::move(*in.mutable_text());
  if (in.has_media()) {
    pb::Media* from = in.mutable_media();
    Media media;
    media.provider_id = std::move(*from->mutable_provider_id());
    media.url = std::move(*from->mutable_url());
    media.mime = std::move(*from->mutable_mime());
    media.sha256 = std::move(*from->mutable_sha256());
    media.filename = std::move(*from->mutable_filename());
    media.size = from->size();
    media.voice = from->voice();
    media.animated = from->animated();
    entry.content.media = std::move(media);
  }
  entry.content.detail = std::move(*in.mutable_detail());
  entry.content.reply_to = std::move(*in.mutable_reply_to());
  entry.content.forwarded = in.forwarded();
  entry.provider_id = std::move(*in.mutable_provider_id());
  entry.of = std::move(*in.mutable_of());
  entry.at = WallTime{in.at_ms()};
  entry.agent = std::move(*in.mutable_agent());
  entry.client_id = std::move(*in.mutable_client_id());
  entry.lane = static_cast<Lane>(in.lane());
  entry.to = std::move(*in.mutable_to());
  return entry;
}

}  // namespace belfry::routing
