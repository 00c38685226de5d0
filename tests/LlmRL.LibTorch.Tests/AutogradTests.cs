using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class AutogradTests
{
    [Fact]
    public void Gradients_accumulate_in_leaves()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 2).requires_grad_();
        Assert.True(x.is_leaf);
        Assert.Null(x.grad);
        for (int i = 0; i < 2; i++) x.square().sum().backward();
        AssertClose([4, 8], x.grad!, 0);
        x.grad = null;
        Assert.Null(x.grad);
        x.grad = V(5, 6);
        AssertClose([5, 6], x.grad!, 0);
        Assert.Throws<ExternalException>(() => x.grad = V(1));
    }

    [Fact]
    public void Inner_gradients_are_kept_on_request()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(3).requires_grad_();
        Tensor y = x * 2;
        Assert.False(y.is_leaf);
        y.retain_grad();
        y.square().backward();
        AssertClose([12], y.grad!, 0);
    }

    [Fact]
    public void Backward_with_given_gradients_and_inputs()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 2).requires_grad_();
        Tensor w = V(3, 4).requires_grad_();
        Tensor y = x * w;
        y.backward([V(10, 100)], retain_graph: true, inputs: [x]);
        AssertClose([30, 400], x.grad!, 0);
        Assert.Null(w.grad);
        autograd.backward(y, V(1, 1));
        AssertClose([1, 2], w.grad!, 0);
    }

    [Fact]
    public void Grad_leaves_leaves_alone_and_differentiates_twice()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(2).requires_grad_();
        Tensor unused = V(1).requires_grad_();
        Tensor first = autograd.grad([x.pow(3)], [x], create_graph: true)[0];
        Tensor second = autograd.grad([first], [x])[0];
        AssertClose([12], first, 1e-12);
        AssertClose([12], second, 1e-12);
        Assert.Null(x.grad);
        IList<Tensor> partly = autograd.grad([x * 2], [x, unused], allow_unused: true);
        Assert.True(partly[1].IsInvalid);
        Assert.Throws<ExternalException>(() => autograd.grad([x * 2], [x, unused]));
    }

    [Fact]
    public void Modes_nest_and_end()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1).requires_grad_();
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            Assert.False((x * 2).requires_grad);
            using (enable_grad()) Assert.True((x * 2).requires_grad);
            Assert.False(is_grad_enabled());
        }
        Assert.True(is_grad_enabled());
        using (inference_mode())
        {
            Assert.True(is_inference_mode_enabled());
            Assert.False((x * 2).requires_grad);
        }
        Assert.False(is_inference_mode_enabled());
        Assert.False(x.detach().requires_grad);
    }

    [Fact]
    public void Gradient_mode_belongs_to_the_thread()
    {
        using IDisposable mode = no_grad();
        bool elsewhere = false;
        Thread thread = new(() => elsewhere = is_grad_enabled());
        thread.Start();
        thread.Join();
        Assert.True(elsewhere);
    }

    [Fact]
    public void In_place_change_of_what_backward_needs_is_an_error()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1).requires_grad_();
        Tensor y = x.exp();
        Tensor loss = y.square();
        y.detach().add_(1);
        var error = Assert.Throws<ExternalException>(() => loss.backward());
        Assert.Contains("modified by an inplace operation", error.Message);
    }

    [Fact]
    public void A_parameter_takes_over_its_tensor_and_outlives_scopes()
    {
        Parameter weight;
        using (NewDisposeScope())
        {
            Tensor data = V(1, 2);
            weight = nn.Parameter(data);
            Assert.True(data.IsInvalid);
        }
        Assert.True(weight.requires_grad);
        Assert.False(weight.IsInvalid);
        weight.Dispose();
    }
}
