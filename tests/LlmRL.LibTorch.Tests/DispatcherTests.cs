using System.Reflection;
using System.Runtime.InteropServices;
using LlmRL.Native;
using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class DispatcherTests
{
    /// <summary>Operators that only libtorch 2 has.</summary>
    private static readonly string[] s_newer = ["aten::scaled_dot_product_attention"];

    [Fact]
    public void Every_wrapped_operator_is_known_to_libtorch()
    {
        Type aten = typeof(Operator).Assembly.GetType("LlmRL.Native.Aten")!;
        Operator[] operators = [.. aten.GetFields(BindingFlags.Static | BindingFlags.NonPublic).Select(field => (Operator)field.GetValue(null)!)];
        Assert.True(operators.Length > 250);
        Assert.Empty(operators.Where(op => !op.Exists).Select(op => op.Name).Except(s_newer));
    }

    [Fact]
    public void An_unknown_operator_is_named_with_the_version()
    {
        Assert.False(Ops.Exists("aten::no_such_thing"));
        var error = Assert.Throws<NotSupportedException>(() => Ops.Call("aten::no_such_thing"));
        Assert.Contains("aten::no_such_thing", error.Message);
        Assert.Contains(NativeTorch.Version, error.Message);
    }

    [Fact]
    public void Schema_is_libtorchs()
    {
        Assert.Equal("aten::mm(Tensor self, Tensor mat2) -> Tensor", Ops.Schema("aten::mm"));
    }

    [Fact]
    public void Errors_name_operator_shapes_and_types()
    {
        using DisposeScope scope = NewDisposeScope();
        var error = Assert.Throws<ExternalException>(() => zeros(2, 3).mm(zeros(4, 5)));
        Assert.Contains("aten::mm", error.Message);
        Assert.Contains("Float32[2,3]", error.Message);
        Assert.Contains("Float32[4,5]", error.Message);
        Assert.Contains("cannot be multiplied", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_lack_of_memory_is_told_from_other_faults()
    {
        using DisposeScope scope = NewDisposeScope();
        // More than a process can address.
        var lack = Assert.Throws<ExternalException>(() => zeros(1L << 46));
        Assert.True(NativeTorch.IsOutOfMemory(lack), lack.Message);
        Assert.True(NativeTorch.IsOutOfMemory(new InvalidOperationException("around it", lack)));
        Assert.True(NativeTorch.IsOutOfMemory(new OutOfMemoryException()));
        Assert.True(NativeTorch.IsOutOfMemory(new ExternalException("aten::mm: CUDA out of memory. Tried to allocate 2.00 GiB")));
        Assert.False(NativeTorch.IsOutOfMemory(Assert.Throws<ExternalException>(() => zeros(2, 3).mm(zeros(4, 5)))));
        Assert.False(NativeTorch.IsOutOfMemory(new InvalidOperationException("out of memory")));
    }

    [Fact]
    public void Arguments_of_a_wrong_kind_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = zeros(2);
        var error = Assert.Throws<ExternalException>(() => Ops.Call("aten::sum.dim_IntList", x, "text"));
        Assert.Contains("'dim'", error.Message);
        error = Assert.Throws<ExternalException>(() => Ops.Call("aten::mm", x));
        Assert.Contains("'mat2' is missing", error.Message);
        error = Assert.Throws<ExternalException>(() => Ops.Call("aten::neg", x, x, x));
        Assert.Contains("3 arguments", error.Message);
        error = Assert.Throws<ExternalException>(() => Ops.Call("aten::select.int", x, 0.5, 0L));
        Assert.Contains("'dim'", error.Message);
        Assert.Throws<ExternalException>(() => Ops.Call("aten::mm", x, Argument.Default));
    }

    [Fact]
    public void Arguments_are_converted_to_what_the_schema_says()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = M(2, 1, 2, 3, 4);
        // int for float (eps), int for int list (dim), int for a truth value (keepdim), default in the middle.
        AssertClose([3, 7], Ops.Call("aten::sum.dim_IntList", x, 1L, 0L), 0);
        AssertClose([3, 7], Ops.Call("aten::sum.dim_IntList", x, 1L, Argument.Default, float64), 0);
        AssertClose([0.5, 0.5], Ops.Call("aten::softmax.int", zeros(2, float64), 0L), 0);
        AssertClose([1, 2, 3, 4], Ops.Call("aten::dropout", x, 0L, true), 0);
    }

    [Fact]
    public void Results_of_all_kinds()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = M(2, 1, 2, 3, 4);
        object?[] layerNorm = Ops.CallAny("aten::native_layer_norm", x, new long[] { 2 }, Argument.None, Argument.None, 0.0);
        Assert.Equal(3, layerNorm.Length);
        AssertClose([-1, 1, -1, 1], (Tensor)layerNorm[0]!, 1e-12);
        Assert.Equal([2L, 2L], ((Tensor[])Ops.CallAny("aten::unbind.int", x)[0]!).Select(row => row.numel()));
        Assert.Equal(2L, Ops.CallAny("aten::size.int", x, 0L)[0]);
        Assert.Equal(1.0, Ops.CallAny("aten::item", V(1))[0]);
        Assert.Equal(true, Ops.CallAny("aten::equal", x, x)[0]);
        Assert.Equal(3, Operator.Get("aten::native_layer_norm").Call3(x, new long[] { 2 }, Argument.None, Argument.None, 0.0).Item1.dim() + 1);
        Tensor[] updated = [V(1), V(2)];
        Ops.Run("aten::_foreach_add_.Scalar", updated, 1.0);
        AssertClose([3], updated[1], 0);
    }

    [Fact]
    public void Long_lists_do_not_fit_the_stack_buffer_and_still_work()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] parts = [.. Enumerable.Range(0, 200).Select(i => V(i))];
        Assert.Equal(199 * 100, cat(parts).sum().item<double>());
    }

    [Fact]
    public void A_disposed_tensor_is_refused()
    {
        Tensor x = V(1);
        x.Dispose();
        Assert.True(x.IsInvalid);
        Assert.Throws<ObjectDisposedException>(() => x.neg());
        Assert.Throws<ObjectDisposedException>(() => x.shape);
        x.Dispose();
    }

    [Fact]
    public void Attention_needs_libtorch_2_and_says_so()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor q = zeros(1, 1, 2, 4);
        if (Ops.Exists("aten::scaled_dot_product_attention"))
        {
            AssertClose([0, 0, 0, 0, 0, 0, 0, 0], nn.functional.scaled_dot_product_attention(q, q, q, is_casual: true), 0);
            return;
        }
        var error = Assert.Throws<NotSupportedException>(() => nn.functional.scaled_dot_product_attention(q, q, q, is_casual: true));
        Assert.Contains("scaled_dot_product_attention", error.Message);
    }

    [Fact]
    public void Threads_and_versions()
    {
        Assert.Matches(@"^\d+\.\d+\.\d+", NativeTorch.Version);
        Assert.Contains("ATen", NativeTorch.Configuration);
        int before = get_num_threads();
        set_num_threads(1);
        Assert.Equal(1, get_num_threads());
        set_num_threads(before);
        Assert.Equal(cuda.device_count() > 0, cuda.is_available());
        Assert.EndsWith("libllmrl_torch.so", NativeTorch.LibraryPath);
    }
}
