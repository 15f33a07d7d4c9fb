"""One step of a recurrent network and its gradients.

The new state of the network is tanh(W_x x + W_h h) for an input x and the previous state h.
Its sum is differentiated with respect to both weight matrices, and two of the gradients are
compared with the chain rule written out by hand.

    python examples/rnn_step.py                with PyTorch
    chainrule run examples/rnn_step.py         the same script on Chainrule
"""

import torch
from torch.autograd import Variable

INPUTS, STATES = 10, 20


def main():
    torch.manual_seed(0)
    x = Variable(torch.randn(1, INPUTS))
    previous = Variable(torch.randn(1, STATES))
    w_state = Variable(torch.randn(STATES, STATES), requires_grad=True)
    w_input = Variable(torch.randn(STATES, INPUTS), requires_grad=True)

    from_input = torch.matmul(w_input, x.t())
    from_state = torch.matmul(w_state, previous.t())
    state = (from_input + from_state).tanh()
    total = state.sum()
    total.backward()

    print("state:", tuple(state.shape), "sum:", f"{total.item():.4f}")
    print("recorded as:", type(state.grad_fn).__name__, "<-", type(total.grad_fn).__name__)

    # d sum / dW = (1 - tanh^2) times the row that W was multiplied with.
    slope = 1 - state.detach() ** 2
    for name, weight, row in (("w_input", w_input, x), ("w_state", w_state, previous)):
        difference = (weight.grad - slope.matmul(row)).abs().max().item()
        norm = (weight.grad * weight.grad).sum().sqrt().item()
        print(f"{name}: gradient norm {norm:.4f}, differs from the chain rule by {difference:.1e}")


if __name__ == "__main__":
    main()
