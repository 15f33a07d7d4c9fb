#include "autograd/profiler.h"

#include <sys/mman.h>
#include <time.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>

#include "autograd/node.h"
#include "base/allocator.h"

namespace chainrule {

namespace {

thread_local ProfileRecorder* t_recorder = nullptr;
uint64_t g_recorders = 0;  // ever made
uint64_t g_recording = 0;  // now

int64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

int64_t system_thread() {
#ifdef __linux__
    return syscall(SYS_gettid);
#else
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(&t_recorder));
#endif
}

int64_t allocated() { return static_cast<int64_t>(detail::allocator_state.allocated_bytes); }

void add_shape(std::vector<int64_t>& shapes, const TensorImpl& t) {
    shapes.push_back(static_cast<int64_t>(t.dtype));
    shapes.push_back(t.ndim);
    shapes.insert(shapes.end(), t.sizes(), t.sizes() + t.ndim);
}

// Where the list begins; 0 when it would lie beyond what an event can point to.
uint32_t begin_shapes(std::vector<int64_t>& shapes) {
    if (shapes.size() >= UINT32_MAX) return 0;
    shapes.push_back(0);
    return static_cast<uint32_t>(shapes.size() - 1);
}

}  // namespace

Profile::Profile(const ProfileOptions& how) : options(how) { add_block(); }

Profile::~Profile() {
    for (uint32_t i = 0; i < size_; ++i) {
        ProfileEvent& event = (*this)[i];
        release_location(&event.where);
        if (event.scope) event.scope->release();
    }
    for (void* mapping : mappings_) munmap(mapping, 2 * kBlockBytes);
}

void Profile::add_block() {
    // Twice as much, of which an aligned half is used: what is not touched takes no memory.
    void* mapping =
        mmap(nullptr, 2 * kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(mapping != MAP_FAILED, ErrorKind::OutOfMemory,
          "no memory for more events of a profile: ", size_,
          " are recorded. Profile fewer steps, or give a smaller max_events");
    mappings_.push_back(mapping);
    uintptr_t start = (reinterpret_cast<uintptr_t>(mapping) + kBlockBytes - 1) & ~(kBlockBytes - 1);
    auto* block = reinterpret_cast<ProfileEvent*>(start);
#ifdef MADV_HUGEPAGE
    madvise(block, kBlockBytes, MADV_HUGEPAGE);
#endif
    block->end = 0;  // makes the page now, not while the first event is timed
    blocks_.push_back(block);
}

uint32_t Profile::add() {
    if (__builtin_expect(size_ >= options.max_events, 0)) {
        if (!dropped++) dropped_since = now_ns();
        return kNoEvent;
    }
    if (size_ == blocks_.size() * kBlock) add_block();
    return size_++;
}

ProfileRecorder::ProfileRecorder(std::shared_ptr<Profile> profile)
    : profile_(std::move(profile)), outer_(t_recorder), id_(++g_recorders) {
    std::vector<int64_t>& threads = profile_->threads;
    const int64_t own = system_thread();
    auto known = std::find(threads.begin(), threads.end(), own);  // paused and resumed
    check(known != threads.end() || threads.size() < UINT16_MAX, ErrorKind::Runtime,
          "a profile holds at most 65,535 threads");
    thread_ = static_cast<uint16_t>(known - threads.begin());
    if (known == threads.end()) threads.push_back(own);
    last_end_ = now_ns();
    last_allocated_ = allocated();
    add_observer(*this);
    t_recorder = this;
    ++g_recording;
}

void ProfileRecorder::stop() {
    if (stopped_) return;
    stopped_ = true;
    --g_recording;
    remove_observer(*this);
    ProfileRecorder** link = &t_recorder;
    while (*link && *link != this) link = &(*link)->outer_;
    if (*link) *link = outer_;
    int64_t now = now_ns();
    finish_down_to(0, now, false);
    note_unseen_memory(now);
}

ProfileRecorder* ProfileRecorder::innermost() { return t_recorder; }

bool ProfileRecorder::any() { return g_recording != 0; }

// Opens an event at the top; the caller sets `start` last, so that this work is in no event's time.
ProfileEvent* ProfileRecorder::begin(const char* name, ProfileKind kind) {
    if (open_.empty()) note_unseen_memory(0);
    uint32_t number = profile_->add();
    uint32_t parent = open_.empty() ? kNoEvent : open_.back().event;
    open_.push_back({number, 0, 0, kind, 0});
    if (number == kNoEvent) return nullptr;
    ProfileEvent& event = (*profile_)[number];
    event.name = name;
    event.bytes = allocated();  // the difference in the end
    event.sequence = -1;
    event.parent = parent;
    event.thread = thread_;
    event.kind = kind;
    return &event;
}

// Closes the event at the top.
void ProfileRecorder::finish(int64_t now, bool failed) {
    Open last = open_.back();
    open_.pop_back();
    if (last.kind == ProfileKind::Module) {
        module_call_ = 0;
        for (size_t i = open_.size(); i-- > 0 && !module_call_;) module_call_ = open_[i].call;
    } else {
        last_end_ = now;
        last_allocated_ = allocated();
    }
    if (ProfileEvent* event = event_of(last)) {
        event->end = last_end_;  // modules end with the last thing that happened in them
        event->bytes = last_allocated_ - event->bytes;
        event->failed = failed;
    }
}

void ProfileRecorder::finish_down_to(size_t depth, int64_t now, bool failed) {
    while (open_.size() > depth) finish(now, failed);
}

// Closes the innermost open event of a kind, and what an exception left open in it.
bool ProfileRecorder::finish_last(ProfileKind kind, bool failed) {
    int64_t now = now_ns();
    size_t depth = open_.size();
    while (depth > 0 && open_[depth - 1].kind != kind) --depth;
    if (depth == 0) return false;  // begun before this recorder came
    finish_down_to(depth, now, failed);
    last_ = open_.back();
    finish(now, failed);
    return true;
}

// Note [Evaluate]: after a node has run, the engine adds what it gave to other gradients, and may
// sum it to a shape first. That belongs to the node's event "evaluate", which therefore stays open
// until something else begins: the next node, an operator or a range of a hook, or the end.
void ProfileRecorder::leave_evaluate() {
    if (!open_.empty() && open_.back().kind == ProfileKind::Evaluate) finish(now_ns(), false);
}

void ProfileRecorder::note_unseen_memory(int64_t now) {
    if (!profile_->options.memory) return;
    int64_t bytes = allocated() - last_allocated_;
    if (bytes == 0) return;
    last_allocated_ += bytes;
    uint32_t number = profile_->add();
    if (number == kNoEvent) return;
    ProfileEvent& event = (*profile_)[number];
    event.name = "[memory]";
    event.start = event.end = now ? now : now_ns();
    event.bytes = bytes;
    event.sequence = -1;
    event.parent = kNoEvent;
    event.thread = thread_;
    event.kind = ProfileKind::Memory;
}

// Opens and closes module events so that they are those of the running calls.
void ProfileRecorder::enter_modules() {
    ModuleScope* running = t_state.scope;
    if ((running ? running->call : 0) == module_call_) return;
    std::vector<ModuleScope*> chain;
    for (ModuleScope* s = running; s; s = s->parent) chain.push_back(s);
    auto runs = [&](uint32_t call) {
        return std::any_of(chain.begin(), chain.end(),
                           [&](ModuleScope* s) { return s->call == call; });
    };
    while (!open_.empty() && open_.back().kind == ProfileKind::Module && !runs(open_.back().call)) {
        finish(0, false);
    }
    auto is_open = [&](uint32_t call) {
        return std::any_of(open_.begin(), open_.end(),
                           [&](const Open& o) { return o.call == call; });
    };
    for (size_t i = chain.size(); i-- > 0;) {
        ModuleScope* scope = chain[i];
        if (is_open(scope->call)) continue;
        ProfileEvent* event = begin(nullptr, ProfileKind::Module);
        open_.back().call = scope->call;
        if (!event) continue;
        scope->retain();
        event->scope = scope;
        capture_location(&event->where);
        event->start = now_ns();
    }
    module_call_ = running ? running->call : 0;
}

namespace {
ProfileKind kind_of(const ObservedOp& op) {
    return op.transparent ? ProfileKind::Function : ProfileKind::Operator;
}
}  // namespace

void ProfileRecorder::before_op(const ObservedOp& op) {
    const ProfileOptions& options = profile_->options;
    leave_evaluate();
    if (options.modules) enter_modules();
    ProfileEvent* event = begin(op.name, kind_of(op));
    if (!event) return;
    if (!*op.row) event->name = profile_->keep(op.name);
    capture_location(&event->where);
    if (ModuleScope* scope = t_state.scope) {
        scope->retain();
        event->scope = scope;
    }
    if (t_state.grad_enabled) {
        uint64_t& newest = open_.back().newest_input;
        for (size_t i = 0; i < op.inputs.size(); ++i) {
            TensorImpl* t = op.inputs[i];
            if (t && t->grad_fn) newest = std::max(newest, t->grad_fn->sequence());
        }
    }
    if (options.shapes && (event->shapes = begin_shapes(profile_->shapes))) {
        for (size_t i = 0; i < op.inputs.size(); ++i) {
            if (!op.inputs[i]) continue;
            ++profile_->shapes[event->shapes];
            add_shape(profile_->shapes, *op.inputs[i]);
        }
    }
    if (options.stacks) event->stack = options.stacks->current();
    event->start = now_ns();
}

void ProfileRecorder::after_op(const ObservedOp& op, const ObservedTensors& results) {
    if (!finish_last(kind_of(op), false)) return;
    ProfileEvent* event = event_of(last_);
    if (event && t_state.grad_enabled && results.size() && results[0]) {
        // An operator may give back what it got: only a node younger than its inputs' is its own.
        Node* node = results[0]->grad_fn;
        if (node && (node->sequence() > last_.newest_input || last_.newest_input == 0)) {
            event->sequence = static_cast<int64_t>(node->sequence());
        }
    }
}

void ProfileRecorder::op_failed(const ObservedOp& op) { finish_last(kind_of(op), true); }

void ProfileRecorder::before_node(Node& node, Tensor* in) {
    leave_evaluate();
    const char* name = node.has_python_object() ? profile_->keep(node.name()) : node.name();
    ProfileEvent* evaluate = begin(name, ProfileKind::Evaluate);
    ProfileEvent* event = begin(name, ProfileKind::Node);
    for (ProfileEvent* e : {evaluate, event}) {
        if (!e) continue;
        e->where = copy_location(node.where());
        if (const ModuleScope* scope = node.scope()) {
            e->scope = const_cast<ModuleScope*>(scope);
            e->scope->retain();
        }
        if (!node.is_accumulate_grad()) e->sequence = static_cast<int64_t>(node.sequence());
    }
    if (event && profile_->options.shapes && (event->shapes = begin_shapes(profile_->shapes))) {
        for (uint32_t i = 0; i < node.num_outputs(); ++i) {
            if (!in[i]) continue;
            ++profile_->shapes[event->shapes];
            add_shape(profile_->shapes, *in[i]);
        }
    }
    int64_t now = now_ns();
    if (evaluate) evaluate->start = now;
    if (event) event->start = now;
}

void ProfileRecorder::after_node(Node&, Tensor*, Tensor*) { finish_last(ProfileKind::Node, false); }

void ProfileRecorder::node_failed(Node&) {
    if (!finish_last(ProfileKind::Node, true)) return;
    if (!open_.empty() && open_.back().kind == ProfileKind::Evaluate) finish(last_end_, true);
}

void ProfileRecorder::before_backward(const std::vector<Edge>&, const BackwardOptions&) {
    if (profile_->options.modules) enter_modules();
    ProfileEvent* event = begin("backward", ProfileKind::Backward);
    if (!event) return;
    capture_location(&event->where);
    if (profile_->options.stacks) event->stack = profile_->options.stacks->current();
    event->start = now_ns();
}

void ProfileRecorder::after_backward() noexcept { finish_last(ProfileKind::Backward, false); }

uint32_t ProfileRecorder::begin_range(const char* name, const char* note) {
    leave_evaluate();
    if (profile_->options.modules) enter_modules();
    ProfileEvent* event = begin(name, ProfileKind::Range);
    uint32_t serial = open_.back().serial = ++next_serial_;
    if (!event) return serial;
    event->name = profile_->keep(name);
    if (note) profile_->notes[open_.back().event] = note;
    capture_location(&event->where);
    if (ModuleScope* scope = t_state.scope) {
        scope->retain();
        event->scope = scope;
    }
    if (profile_->options.stacks) event->stack = profile_->options.stacks->current();
    event->start = now_ns();
    return serial;
}

void ProfileRecorder::end_range(uint32_t serial) {
    int64_t now = now_ns();
    size_t place = open_.size();
    while (place > 0 && open_[place - 1].serial != serial) --place;
    if (place == 0) return;  // the profile was stopped, or the range left on another thread
    --place;
    // Modules that ended in it, and the event "evaluate".
    while (open_.size() > place + 1 && (open_.back().kind == ProfileKind::Module ||
                                        open_.back().kind == ProfileKind::Evaluate)) {
        finish(now, false);
    }
    if (open_.size() == place + 1) {
        finish(now, false);
        return;
    }
    // Ranges that overlap: what goes on is no part of this one.
    ProfileEvent* event = event_of(open_[place]);
    if (ProfileEvent* above = event_of(open_[place + 1]); above && event) {
        above->parent = event->parent;
    }
    if (event) {
        event->end = now;
        event->bytes = allocated() - event->bytes;
    }
    open_.erase(open_.begin() + static_cast<ptrdiff_t>(place));
}

}  // namespace chainrule
