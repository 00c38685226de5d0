using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class DisposeScopeTests
{
    [Fact]
    public void A_scope_disposes_what_was_made_in_it()
    {
        Tensor inside;
        Tensor before = V(1);
        using (DisposeScope scope = NewDisposeScope())
        {
            Assert.Same(scope, CurrentDisposeScope);
            inside = V(1);
            Assert.True(scope.Contains(inside));
            Assert.False(scope.Contains(before));
        }
        Assert.True(inside.IsInvalid);
        Assert.False(before.IsInvalid);
        before.Dispose();
        Assert.Null(CurrentDisposeScope);
    }

    [Fact]
    public void Results_move_to_the_outer_scope()
    {
        Tensor result;
        using (NewDisposeScope())
        {
            using (NewDisposeScope()) result = V(1).MoveToOuterDisposeScope();
            Assert.False(result.IsInvalid);
        }
        Assert.True(result.IsInvalid);
    }

    [Fact]
    public void The_outermost_scope_hands_over_to_the_caller()
    {
        Tensor result;
        using (NewDisposeScope()) result = V(1).MoveToOuterDisposeScope();
        Assert.False(result.IsInvalid);
        result.Dispose();
    }

    [Fact]
    public void Detached_tensors_outlive_all_scopes()
    {
        Tensor result;
        using (NewDisposeScope())
        {
            using (NewDisposeScope()) result = V(1).DetachFromDisposeScope();
        }
        Assert.False(result.IsInvalid);
        result.Dispose();
    }

    [Fact]
    public void Attaching_and_moving_between_scopes()
    {
        Tensor loose = V(1);
        using DisposeScope outer = NewDisposeScope();
        Tensor anchor = V(0);
        using (DisposeScope inner = NewDisposeScope())
        {
            inner.Attach(loose);
            inner.Attach(loose);
            Assert.Equal(1, inner.DisposablesCount);
            Tensor other = V(2).MoveToOtherDisposeScope(anchor);
            Assert.True(outer.Contains(other));
            Tensor kept = V(3);
            inner.DisposeEverythingBut(kept);
            Assert.True(loose.IsInvalid);
            Assert.False(kept.IsInvalid);
            Assert.Equal([kept], inner.DisposablesView);
            inner.MoveToOuter(kept);
            Assert.Equal(0, inner.DisposablesCount);
        }
        Assert.Equal(3, outer.DisposablesCount);
    }

    [Fact]
    public void Early_disposal_leaves_the_scope()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor first = V(1);
        Tensor second = V(2);
        first.Dispose();
        Assert.Equal([second], scope.DisposablesView);
        scope.DisposeEverything();
        Assert.True(second.IsInvalid);
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void Many_early_disposals_do_not_grow_the_scope()
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> kept = [];
        for (int i = 0; i < 1000; i++)
        {
            Tensor temporary = V(i);
            Tensor lasting = V(i);
            temporary.Dispose();
            if (i % 10 == 0) kept.Add(lasting);
            else lasting.Dispose();
        }
        Assert.Equal(100, scope.DisposablesCount);
        for (int i = 0; i < kept.Count; i++) AssertClose([i * 10], kept[i], 0);
        kept[50].Dispose();
        Assert.Equal(kept.Where((_, i) => i != 50), scope.DisposablesView);
    }

    [Fact]
    public void Other_disposables_are_held_too()
    {
        Probe probe = new();
        using (DisposeScope scope = NewDisposeScope())
        {
            scope.Attach(probe);
            Assert.True(scope.Contains(probe));
        }
        Assert.Equal(1, probe.Disposals);
    }

    [Fact]
    public void An_expression_keeps_its_result_only()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 2);
        Tensor result = WrappedTensorDisposeScope(() => (x + 1).square().sum());
        Assert.Equal(13, result.item<double>());
        Assert.Equal(2, scope.DisposablesCount);
    }

    [Fact]
    public void Scopes_belong_to_their_thread()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? elsewhere = null;
        Thread thread = new(() => elsewhere = V(1));
        thread.Start();
        thread.Join();
        Assert.False(scope.Contains(elsewhere!));
        elsewhere!.Dispose();
    }

    private sealed class Probe : IDisposable
    {
        public int Disposals { get; private set; }

        public void Dispose() => Disposals++;
    }
}
