using System.Runtime.CompilerServices;
using LlmRL.Native;
using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class MemoryTests
{
    [Fact]
    public unsafe void A_tensor_over_an_array_shares_its_memory()
    {
        float[] array = [1, 2, 3, 4];
        using (Tensor x = NativeTorch.FromArray(array, [2, 2]))
        {
            Assert.True(NativeTorch.DataPointer(x) == Unsafe.AsPointer(ref array[0]));
            x.mul_(2);
            array[0] = 7;
            AssertClose([7, 4, 6, 8], x, 0);
        }
        Assert.Equal([7f, 4, 6, 8], array);
    }

    [Fact]
    public void A_buffer_shares_memory_from_an_offset()
    {
        int[] array = [1, 2, 3, 4];
        using Tensor x = frombuffer(array, int32, count: 2, offset: 4);
        x.add_(10);
        Assert.Equal([1, 12, 13, 4], array);
        Assert.Throws<ArgumentException>(() => frombuffer(array, int32, count: 4, offset: 4));
        Assert.Throws<ArgumentException>(() => NativeTorch.FromArray(array, [5]));
    }

    [Fact]
    public void A_pinned_array_is_released_with_the_last_tensor_on_it()
    {
        WeakReference array = WrapAndView(out Tensor view);
        GC.Collect();
        Assert.True(array.IsAlive);
        AssertClose([3], view, 0);
        view.Dispose();
        GC.Collect();
        Assert.False(array.IsAlive);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference WrapAndView(out Tensor view)
    {
        double[] array = [1, 2, 3];
        using Tensor whole = NativeTorch.FromArray(array, [3]);
        view = whole.narrow(0, 2, 1);
        return new WeakReference(array);
    }

    [Fact]
    public unsafe void Foreign_memory_with_strides()
    {
        double* memory = stackalloc double[] { 0, 1, 2, 3, 4, 5 };
        using Tensor x = NativeTorch.FromPointer(memory, [3, 2], float64, null, [1, 3]);
        AssertClose([0, 3, 1, 4, 2, 5], x, 0);
        Assert.Throws<ArgumentException>(() => NativeTorch.FromPointer(null, [3, 2], float64, null, [1]));
    }

    [Fact]
    public void Spans_and_bytes_show_the_elements()
    {
        using Tensor x = tensor(new[] { 1f, 2f });
        NativeTorch.AsSpan<float>(x)[1] = 5;
        AssertClose([1, 5], x, 0);
        x.bytes = new byte[8];
        AssertClose([0, 0], x, 0);
        using Tensor matrix = zeros(2, 3);
        using Tensor turned = matrix.t();
        Assert.Throws<InvalidOperationException>(() => NativeTorch.AsSpan<float>(turned).Length);
        Assert.Throws<ArgumentException>(() => NativeTorch.AsSpan<double>(x).Length);
    }

    [Fact]
    public void Copies_into_tensors_do_not_share()
    {
        float[] array = [1, 2];
        using Tensor x = tensor(array);
        array[0] = 9;
        AssertClose([1, 2], x, 0);
    }

    [Fact]
    public void Aliases_are_the_same_native_tensor()
    {
        long before = Tensor.TotalCount;
        Tensor x = V(1, 2);
        Tensor y = x.alias();
        Assert.Equal(x.Handle, y.Handle);
        x.Dispose();
        AssertClose([1, 2], y, 0);
        IntPtr handle = y.DecoupleFromNativeHandle();
        Assert.True(y.IsInvalid);
        Assert.Equal(before, Tensor.TotalCount);
        using Tensor z = Tensor.UnsafeCreateTensor(handle);
        AssertClose([1, 2], z, 0);
    }

    [Fact]
    public void Forgotten_tensors_are_freed_by_the_finaliser()
    {
        long before = Tensor.TotalCount;
        Forget();
        for (int i = 0; i < 10 && Tensor.TotalCount > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.Equal(before, Tensor.TotalCount);
        Assert.True(Tensor.PeakCount >= before + 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget() => zeros(10);

    [Fact]
    public void Ten_thousand_training_steps_leave_memory_flat()
    {
        using DisposeScope outer = NewDisposeScope();
        Tensor w1 = randn(16, 32).mul_(0.1).requires_grad_();
        Tensor w2 = randn(32, 1).mul_(0.1).requires_grad_();
        Tensor x = randn(8, 16);
        Tensor y = x.sum(1, keepdim: true);
        for (int i = 0; i < 500; i++) Step(x, y, w1, w2);
        double first = Step(x, y, w1, w2);
        long tensors = Tensor.TotalCount;
        long resident = ResidentBytes();
        for (int i = 0; i < 10_000; i++) Step(x, y, w1, w2);
        Assert.Equal(tensors, Tensor.TotalCount);
        Assert.InRange(ResidentBytes() - resident, long.MinValue, 5 << 20);
        Assert.True(Step(x, y, w1, w2) < first, "the loss must fall");
    }

    private static double Step(Tensor x, Tensor y, Tensor w1, Tensor w2)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor loss = (x.mm(w1).tanh().mm(w2) - y).square().mean();
        loss.backward();
        using (no_grad())
        {
            foreach (Tensor w in (Tensor[])[w1, w2])
            {
                Tensor gradient = w.grad!;
                w.sub_(gradient * 0.001);
                gradient.zero_();
            }
        }
        return loss.item<float>();
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        string statm = File.ReadAllText("/proc/self/statm");
        return long.Parse(statm.Split(' ')[1]) * Environment.SystemPageSize;
    }
}
