using System.Runtime.InteropServices;
using LlmRL.Native;
using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class CustomFunctionTests
{
    /// <summary>x²·y elementwise, with gradients 2·x·y and x².</summary>
    private static Tensor SquareTimes(Tensor x, Tensor y) => CustomFunction.Apply(
        [x, y],
        [x, y],
        () => x.square().mul_(y),
        (gradients, saved, needed) =>
        [
            needed[0] ? gradients[0]! * 2 * saved[0] * saved[1] : null,
            needed[1] ? gradients[0]! * saved[0].square() : null,
        ]);

    [Fact]
    public void Gradient_matches_central_differences()
    {
        Differences.Check(x => SquareTimes(x, x.flip(1)).sigmoid(), 1e-6, 1e-7);
        Differences.Check(x => SquareTimes(x.t(), V(1, 2)), 1e-6, 1e-7);
    }

    [Fact]
    public void The_output_may_be_saved()
    {
        // d eˣ/dx = eˣ, the output itself.
        Differences.Check(
            x => CustomFunction.Apply([x], [], x.exp, (gradients, saved, _) => [gradients[0]! * saved[0]], saveOutput: true), 1e-6, 1e-7);
    }

    [Fact]
    public void Several_outputs_with_unused_ones()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(2, 3).requires_grad_();
        Tensor twice, thrice;
        using (no_grad()) (twice, thrice) = (x * 2, x * 3);
        Tensor?[]? seen = null;
        bool attached = CustomFunction.Attach([x, null], [twice, thrice], [], (gradients, _, _) =>
        {
            seen = [.. gradients.Select(gradient => gradient?.clone().DetachFromDisposeScope())];
            return [gradients[1]! * 3, null];
        });
        Assert.True(attached);
        thrice.sum().backward();
        AssertClose([3, 3], x.grad!, 0);
        Assert.True(seen![0] is null || Values(seen[0]!).All(value => value == 0));
        foreach (Tensor? tensor in seen) tensor?.Dispose();
    }

    [Fact]
    public void Nothing_is_recorded_when_no_gradient_is_wanted()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.False(SquareTimes(V(1), V(2)).requires_grad);
        Tensor x = V(1).requires_grad_();
        using (no_grad()) Assert.False(SquareTimes(x, x).requires_grad);
        Assert.True(SquareTimes(x, V(2)).requires_grad);
    }

    [Fact]
    public void Only_needed_gradients_are_asked_for()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(3).requires_grad_();
        SquareTimes(x, V(2)).backward();
        AssertClose([12], x.grad!, 0);
    }

    [Fact]
    public void Errors_in_backward_reach_the_caller()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1).requires_grad_();
        Tensor y = CustomFunction.Apply([x], [], x.clone, (_, _, _) => throw new InvalidOperationException("no gradient today"));
        var error = Assert.Throws<ExternalException>(() => y.backward());
        Assert.Contains("no gradient today", error.Message);
        Tensor z = CustomFunction.Apply([x], [], x.clone, (gradients, _, _) => [gradients[0], gradients[0]]);
        Assert.Contains("2 gradients for 1 inputs", Assert.Throws<ExternalException>(() => z.backward()).Message);
    }

    [Fact]
    public void A_graph_that_was_kept_can_be_used_again()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(3).requires_grad_();
        Tensor y = SquareTimes(x, V(2));
        y.backward(retain_graph: true);
        y.backward();
        AssertClose([24], x.grad!, 0);
        Assert.Contains("retain_graph", Assert.Throws<ExternalException>(() => y.backward()).Message);
    }

    [Fact]
    public void Saved_tensors_are_freed_with_or_without_backward()
    {
        using Tensor x = V(3).requires_grad_();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 20; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor y = CustomFunction.Apply([x], [x], x.exp, (gradients, saved, _) => [gradients[0]! * saved[1]], saveOutput: true);
            if (i % 2 == 0) y.sum().backward();
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void Deep_chains_are_freed_without_exhausting_the_stack()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1).requires_grad_();
        Tensor y = x;
        for (int i = 0; i < 20_000; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor before = y;
            y = CustomFunction.Apply([before], [], before.clone, (gradients, _, _) => [gradients[0]]).DetachFromDisposeScope();
            if (i > 0) before.Dispose();
        }
        y.backward();
        AssertClose([1], x.grad!, 0);
        y.Dispose();
    }
}
