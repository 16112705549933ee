#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "soret/network/head.hpp"
#include "soret/network/layer.hpp"
#include "soret/network/scratch.hpp"

/// A network is a list of nodes in the order of computation: the input, layers of one node, and sums of two.
/// Its parameters are one vector; all that a computation needs besides lies in a Pass.
namespace soret::network {

/// A part of the parameter (or state) vector.
struct View {
  std::string name;  ///< "block1.conv2.weight"
  Parameter what;
  std::size_t offset;
};

template <class T>
class Pass;

template <class T>
class Network {
 public:
  explicit Network(const Shape& input);

  /// Appends a layer that reads node `from`, and returns the number of its node. Throws ConfigError, naming
  /// both, if the layer was made for another shape than shape(from).
  int add(std::string name, std::unique_ptr<Layer<T>> layer, int from);
  /// Appends the sum of two nodes. Throws ConfigError, naming the node, if their shapes differ.
  int add_sum(std::string name, int a, int b);

  int last() const { return static_cast<int>(nodes_.size()) - 1; }
  const Shape& shape(int node) const;
  const std::string& name(int node) const { return nodes_[static_cast<std::size_t>(node)].name; }
  /// nullptr: the input, or a sum.
  const Layer<T>* layer(int node) const { return nodes_[static_cast<std::size_t>(node)].layer.get(); }
  const Shape& input() const { return shape(0); }
  const Shape& output() const { return shape(last()); }

  const std::vector<View>& parameters() const { return parameters_; }
  std::size_t parameter_count() const { return parameter_count_; }
  const std::vector<View>& state() const { return state_; }
  std::size_t state_count() const { return state_count_; }
  /// What state begins with: running means 0 and variances 1.
  std::vector<T> initial_state() const;

  /// y of the last node for n samples x[n][input]. Throws ConfigError, naming the layer, where a layer cannot
  /// do with them (batch normalisation of one value).
  const T* forward(Pass<T>& pass, int n, const T* x, const T* parameters, const T* state,
                   const Mode& mode) const;
  /// The same y again.
  const T* output_of(const Pass<T>& pass) const;
  /// What forward left at a node behind the input. Where the node's only reader works in place (relu, or a
  /// sum whose first term the node is), that is the reader's y. Of a pass that is made for After::anything.
  const T* values_of(const Pass<T>& pass, int node) const;
  /// Adds to gradient[parameter_count] the derivative of the scalar whose derivative by the output is
  /// pass.output_gradient(). nullptr: only what other maps need of it. After forward.
  void backward(Pass<T>& pass, const T* parameters, T* gradient) const;
  /// squares[layer with parameters][samples], in the order of the parameters: |gradient|^2 of every sample's
  /// own part of the scalar by the layer's parameters. After backward. Throws ConfigError, naming the layer,
  /// where samples act on each other.
  void sample_squares(const Pass<T>& pass, const T* parameters, double* squares) const;
  /// The output's derivative along the direction, of the parameters alone. After forward.
  const T* forward_tangent(Pass<T>& pass, const T* parameters, const T* direction) const;
  /// Adds to product[parameter_count] the derivative of backward's result along the direction, from
  /// pass.output_gradient_tangent(). After backward and forward_tangent. `product` may be the direction's own
  /// memory, which then is written, not added to: a layer's part is done with when its product comes.
  void backward_tangent(Pass<T>& pass, const T* parameters, const T* direction, T* product) const;
  /// Moves the state by what forward saw.
  void update_state(Pass<T>& pass, T* state) const;
  /// Adds to sums[state_count] the statistics that forward saw, each as often as it has samples.
  void add_statistics(Pass<T>& pass, double* sums) const;

 private:
  friend class Pass<T>;
  struct Node {
    std::string name;
    std::unique_ptr<Layer<T>> layer{};  ///< none: the input, or the sum of two
    int from = -1, other = -1;
    Shape shape;
    std::size_t parameters = 0, state = 0;  ///< offsets
    bool has_parameters_below = false;      ///< whether a gradient must reach this node
    bool adds = false, adds_other = false;  ///< not the first, backwards, to give `from` its gradient
    int readers = 0, last_reader = 0;
  };
  void read(int node);
  /// Whether backward_tangent of a node gives the node that it reads its whole gradient once more.
  bool gives_again(int node) const;
  /// Whether y of node `to` may lie where that of node `from`, which it reads, lay; and their tangents.
  bool overwrites(int to, int from) const;
  /// The first of the nodes whose y, in one place, ends as that of `node`, if their layers redo it and a pass
  /// need not keep it; else -1.
  int redone_from(int node) const;
  /// Redoes the y, and if there is a direction their tangents, that were not kept and that node `reader` is
  /// the last to read: downwards, they are needed from here on.
  void redo_for(const Pass<T>& pass, int reader, const T* parameters, const T* direction) const;
  Tangents<T> tangents(const Pass<T>& pass, int node, const T* direction) const;
  Values<T> values(const Pass<T>& pass, int node, const T* parameters) const;

  std::vector<Node> nodes_;
  std::vector<View> parameters_, state_;
  std::size_t parameter_count_ = 0, state_count_ = 0;
};

/// What is to come after backward, for which it keeps gradients of nodes.
enum class After {
  anything,  ///< sample_squares(), too: of all nodes
  tangents,  ///< of those that no layer gives again; values are kept of those that no layer redoes
  nothing,
};

/// The memory of one computation on up to `capacity` samples; one per thread. Gradients and tangents get
/// theirs when they are first asked for, and keep it: planned once, with nodes in the same place where the
/// one's numbers are no longer needed when the other's come.
template <class T>
class Pass {
 public:
  explicit Pass(const Network<T>& network, int capacity, After after = After::anything);

  int samples() const { return n_; }
  /// [samples][output], to be filled between forward and backward.
  T* output_gradient();
  T* output_gradient_tangent();
  /// Bytes held now.
  std::size_t bytes() const;
  /// Bytes to be held once gradients, and with `tangents` Hessian-vector products, have been computed.
  std::size_t planned_bytes(bool tangents) const;

 private:
  friend class Network<T>;
  /// Numbers of every node, in one piece of memory.
  struct Layers {
    Scratch<T> memory;
    std::size_t size = 0;
    std::vector<T*> of{};  ///< [node]
  };
  /// What is to lie in it: values and tangents of all units, to the end or while they are read, upwards and
  /// once more downwards; gradients and their tangents, to the end or until the node has handed them on; what
  /// layers keep.
  enum class What { values, gradients, gradient_tangents, kept };
  /// The place of every node's numbers, and how many there are in all.
  std::vector<std::size_t> plan(What what, std::size_t& size) const;
  void provide(Layers& layers, What what) const;

  const Network<T>* network_;
  int capacity_;
  After after_;
  std::vector<int> redone_from_;  ///< [node] what Network::redone_from() says; -1 where all is kept
  std::vector<bool> redone_;      ///< [node] y is not kept
  int n_ = 0;
  const T* input_ = nullptr;
  Layers y_, kept_, gradient_, tangent_, kept_tangent_, gradient_tangent_;
  Scratch<T> own_product_;  ///< of one layer, of a Hessian-vector product in place
};

/// weight times the sum of the head over the samples, its gradient added to `gradient` unless that is
/// nullptr. Leaves in `pass` what hessian_vector() needs.
template <class T>
double gradient(const Network<T>& network, HeadKind head, Pass<T>& pass, int n, const T* x,
                const Targets<T>& targets, double weight, const T* parameters, const T* state,
                const Mode& mode, T* gradient);

/// The Hessian of the same scalar times `direction`, added to `product`; exact, at the cost of two gradients.
/// After gradient() with the same arguments.
template <class T>
void hessian_vector(const Network<T>& network, HeadKind head, Pass<T>& pass, const Targets<T>& targets,
                    double weight, const T* parameters, const T* direction, T* product);

}  // namespace soret::network
