#include "gateway/auth/subject.h"

#include <gtest/gtest.h>

#include "gateway/auth/limiter.h"
#include "gateway/auth/password.h"

namespace belfry::gateway {
namespace {

Subject agent(std::string id, std::vector<std::string> queues = {}, std::vector<std::string> roles = {"agent"}) {
  return {Subject::Kind::kAgent, id, id, id, std::move(roles), std::move(queues), {}};
}
Subject key(std::string role) { return {Subject::Kind::kKey, "key_1", {}, {}, {std::move(role)}, {}, {}}; }

struct Case {
  const char* what;
  Subject who;
  Action action;
  Object object;
  bool allowed;
};

TEST(Authorize, Table) {
  const Case cases[] = {
      {"an agent reads what he holds", agent("ana"), Action::kRead, {"conversations", "ana", "hall"}, true},
      {"an agent writes what he holds", agent("ana"), Action::kWrite, {"messages", "ana", "hall"}, true},
      {"an agent reads what waits in his queue", agent("ana", {"hall"}), Action::kRead, {"conversations", "", "hall"}, true},
      {"an agent reads a colleague's of his queue", agent("ana", {"hall"}), Action::kRead, {"messages", "bob", "hall"}, true},
      {"an agent does not write a colleague's", agent("ana", {"hall"}), Action::kWrite, {"messages", "bob", "hall"}, false},
      {"an agent does not see other queues", agent("ana", {"hall"}), Action::kRead, {"conversations", "bob", "water"}, false},
      {"an agent does not see what nobody holds in no queue",
       agent("ana", {"hall"}),
       Action::kRead,
       {"conversations", "", ""},
       false},
      {"an empty agent does not match an empty owner", key("agent"), Action::kRead, {"conversations", "", ""}, false},
      {"an agent does not write to addresses", agent("ana", {"hall"}), Action::kWrite, {"messages"}, false},
      {"an agent sets his own availability", agent("ana"), Action::kWrite, {"agents", "ana"}, true},
      {"and nobody else's", agent("ana"), Action::kWrite, {"agents", "bob"}, false},
      {"a supervisor sets anybody's", agent("sue", {}, {"supervisor"}), Action::kWrite, {"agents", "bob"}, true},
      {"a supervisor makes no agents", agent("sue", {}, {"supervisor"}), Action::kManage, {"agents"}, false},
      {"roles add up", agent("sue", {}, {"agent", "supervisor"}), Action::kRead, {"audit"}, true},
      {"an agent reads no audit", agent("ana"), Action::kRead, {"audit"}, false},
      {"an agent sees no keys", agent("ana"), Action::kRead, {"keys"}, false},
      {"integration sends", key("integration"), Action::kWrite, {"messages"}, true},
      {"integration makes no keys", key("integration"), Action::kManage, {"keys"}, false},
      {"integration reads no audit", key("integration"), Action::kRead, {"audit"}, false},
      {"an auditor reads keys", key("auditor"), Action::kRead, {"keys"}, true},
      {"an auditor sends nothing", key("auditor"), Action::kWrite, {"messages"}, false},
      {"an alert author sees no conversation", key("alert_author"), Action::kRead, {"conversations", "ana", "hall"}, false},
      {"an approver reads templates", key("alert_approver"), Action::kRead, {"templates"}, true},
      {"admin manages keys", key("admin"), Action::kManage, {"keys"}, true},
      {"the operator manages agents", operator_subject(), Action::kManage, {"agents"}, true},
      {"even admin is denied what the table does not name", key("admin"), Action::kRead, {"secrets"}, false},
      {"no role, nothing", agent("ana", {"hall"}, {}), Action::kRead, {"conversations", "ana", "hall"}, false},
      {"an unknown role, nothing", key("root"), Action::kRead, {"stats"}, false},
  };
  for (const Case& c : cases) EXPECT_EQ(authorize(c.who, c.action, c.object).has_value(), c.allowed) << c.what;
  EXPECT_EQ(authorize(key("auditor"), Action::kWrite, {"messages"}).error().code, Errc::kForbidden);
}

TEST(Password, HashesAndVerifies) {
  const auto hash = hash_password("correct horse");
  ASSERT_TRUE(hash);
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_TRUE(verify_password("correct horse", *hash));
  EXPECT_FALSE(verify_password("correct hors", *hash));
  EXPECT_FALSE(verify_password("", *hash));
  EXPECT_NE(*hash_password("correct horse"), *hash);
  EXPECT_FALSE(verify_password("x", "no hash at all"));
  EXPECT_FALSE(verify_password("", nobodys_hash()));
}

TEST(Limiter, BurstThenRate) {
  Limiter limiter(3, 1'000);
  Instant t{5'000};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take("ana", t));
  std::int64_t wait = 0;
  EXPECT_FALSE(limiter.take("ana", t, &wait));
  EXPECT_EQ(wait, 1'000);
  EXPECT_TRUE(limiter.take("bob", t));
  EXPECT_TRUE(limiter.take("ana", t + 1'000));
  EXPECT_FALSE(limiter.take("ana", t + 1'000));
  limiter.forget("ana");
  EXPECT_TRUE(limiter.take("ana", t + 1'000));
}

TEST(Limiter, MemoryIsBounded) {
  Limiter limiter(1, 1'000'000, 3);
  EXPECT_TRUE(limiter.take("a", {}));
  for (const char* name : {"b", "c", "d", "e"}) EXPECT_TRUE(limiter.take(name, {}));
  EXPECT_EQ(limiter.size(), 3U);
  EXPECT_FALSE(limiter.take("e", {}));
  EXPECT_TRUE(limiter.take("a", {}));  // forgotten first, so counted anew
}

}  // namespace
}  // namespace belfry::gateway
