#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "autograd/observer.h"
#include "base/source_location.h"

// Times of operators, backward nodes and the user's own ranges. A Profile holds what was recorded;
// a ProfileRecorder watches one thread for it.
namespace chainrule {

enum class ProfileKind : uint8_t {
    Operator,
    Function,  // forward of a custom Function
    Node,      // backward of a node
    Evaluate,  // around it: also the sums that the engine makes of what the node gave
    Range,     // named by the user
    Module,    // a call of an nn.Module
    Memory,    // what was allocated or freed outside all others
    Backward,  // an outermost backward() or grad()
};

struct ProfileEvent {
    const char* name;  // static, or kept by the Profile; null for modules
    int64_t start;     // ns of the steady clock
    int64_t end;
    int64_t bytes;         // allocated less freed
    int64_t sequence;      // of the node that an operator made, or that ran; -1
    SourceLocation where;  // owned; of nodes: where the forward operation was recorded
    ModuleScope* scope;    // owned; may be null
    uint32_t parent;       // number of the enclosing event, or kNoEvent
    uint32_t shapes;       // place in Profile::shapes, 0: not recorded
    uint32_t stack;        // number that ProfileStacks gave, 0: not recorded
    uint16_t thread;       // index in Profile::threads
    ProfileKind kind;
    bool failed;  // left by an exception
};

inline constexpr uint32_t kNoEvent = UINT32_MAX;

// Gives the running thread's Python stack a number.
class ProfileStacks {
public:
    virtual ~ProfileStacks() = default;
    virtual uint32_t current() = 0;
};

struct ProfileOptions {
    bool shapes = false;
    bool memory = false;   // also what happens outside the events
    bool modules = false;  // calls of modules as events
    uint32_t max_events = 0;
    ProfileStacks* stacks = nullptr;  // borrowed; null: no stacks
};

// Events in the order of their start. They stand in blocks that never move; used under the
// interpreter's lock only.
class Profile {
public:
    explicit Profile(const ProfileOptions& how);
    ~Profile();
    Profile(const Profile&) = delete;
    Profile& operator=(const Profile&) = delete;

    uint32_t size() const { return size_; }
    ProfileEvent& operator[](uint32_t i) { return blocks_[i / kBlock][i % kBlock]; }
    // Room for one more; kNoEvent, counted, when the limit is reached.
    uint32_t add();
    const char* keep(const std::string& name) { return names_.insert(name).first->c_str(); }

    const ProfileOptions options;
    // For each recorded list of tensors: their number, then of each dtype, dimensions and sizes.
    std::vector<int64_t> shapes = {0};
    std::vector<int64_t> threads;                     // the system's number of each
    std::unordered_map<uint32_t, std::string> notes;  // what a range was given beside its name
    uint64_t dropped = 0;
    int64_t dropped_since = 0;  // ns: when the limit was reached

private:
    // A block fills one huge page: one fault of the system instead of hundreds, while it is timed.
    static constexpr size_t kBlockBytes = size_t{2} << 20;
    static constexpr uint32_t kBlock = kBlockBytes / sizeof(ProfileEvent);
    void add_block();
    std::vector<ProfileEvent*> blocks_;
    std::vector<void*> mappings_;
    std::unordered_set<std::string> names_;
    uint32_t size_ = 0;
};

// Watches the thread that makes it, until it is stopped there.
class ProfileRecorder final : public Observer {
public:
    explicit ProfileRecorder(std::shared_ptr<Profile> profile);
    ~ProfileRecorder() override { stop(); }
    ProfileRecorder(const ProfileRecorder&) = delete;
    ProfileRecorder& operator=(const ProfileRecorder&) = delete;
    void stop();  // closes what is open

    void before_op(const ObservedOp& op) override;
    void after_op(const ObservedOp& op, const ObservedTensors& results) override;
    void op_failed(const ObservedOp& op) override;
    void before_node(Node& node, Tensor* in) override;
    void after_node(Node& node, Tensor* in, Tensor* out) override;
    void node_failed(Node& node) override;
    void before_backward(const std::vector<Edge>& roots, const BackwardOptions& how) override;
    void after_backward() noexcept override;
    bool inside_nodes() const override { return true; }
    bool wants_arrived(const Node&) const override { return false; }

    // A range of the user's; `end_range` takes what `begin_range` gave.
    uint32_t begin_range(const char* name, const char* note = nullptr);
    void end_range(uint32_t place);

    ProfileRecorder* outer() const { return outer_; }
    static ProfileRecorder* innermost();  // of this thread
    static bool any();                    // on any thread
    uint64_t id() const { return id_; }

private:
    struct Open {
        uint32_t event;   // kNoEvent: over the limit
        uint32_t serial;  // of ranges
        uint32_t call;    // of modules: number of the call
        ProfileKind kind;
        uint64_t newest_input;  // sequence of the youngest node among an operator's inputs
    };

    ProfileEvent* event_of(const Open& open) {
        return open.event == kNoEvent ? nullptr : &(*profile_)[open.event];
    }
    ProfileEvent* begin(const char* name, ProfileKind kind);
    void finish(int64_t now, bool failed);
    void finish_down_to(size_t depth, int64_t now, bool failed);
    bool finish_last(ProfileKind kind, bool failed);
    void leave_evaluate();
    void enter_modules();
    void note_unseen_memory(int64_t now);

    std::shared_ptr<Profile> profile_;
    ProfileRecorder* outer_;
    uint64_t id_;
    uint16_t thread_;
    std::vector<Open> open_;
    Open last_{};  // what finish_last closed
    uint32_t next_serial_ = 0;
    uint32_t module_call_ = 0;    // innermost open module
    int64_t last_end_ = 0;        // of the event that ended last
    int64_t last_allocated_ = 0;  // bytes then
    bool stopped_ = false;
};

}  // namespace chainrule
