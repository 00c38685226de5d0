using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class FactoryTests
{
    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["zeros"] = new(() => zeros(2, 3), [0, 0, 0, 0, 0, 0], [2, 3]),
        ["zeros of no rows"] = new(() => zeros(2, 0), [], [2, 0]),
        ["zeros list"] = new(() => zeros([2, 1, 1]), [0, 0], [2, 1, 1]),
        ["ones"] = new(() => ones(2), [1, 1], [2]),
        ["ones 4"] = new(() => ones(1, 1, 2, 1), [1, 1], [1, 1, 2, 1]),
        ["full"] = new(() => full(1, 2, 7.5), [7.5, 7.5], [1, 2]),
        ["arange"] = new(() => arange(3), [0, 1, 2]),
        ["arange start"] = new(() => arange(1, 3), [1, 2]),
        ["arange step"] = new(() => arange(0.0, 1.0, 0.25, float64), [0, 0.25, 0.5, 0.75]),
        ["linspace"] = new(() => linspace(0, 1, 3, float64), [0, 0.5, 1]),
        ["eye"] = new(() => eye(2), [1, 0, 0, 1], [2, 2]),
        ["eye wide"] = new(() => eye(1, 2), [1, 0], [1, 2]),
        ["zeros_like"] = new(() => zeros_like(V(1, 2)), [0, 0]),
        ["ones_like"] = new(() => ones_like(V(1, 2)), [1, 1]),
        ["full_like"] = new(() => full_like(V(1, 2), 3), [3, 3]),
        ["empty_like"] = new(() => empty_like(V(1, 2)).fill_(0), [0, 0]),
        ["from_array"] = new(() => from_array(new[,] { { 1L, 2 }, { 3, 4 } }), [1, 2, 3, 4], [2, 2]),
        ["tensor 3d"] = new(() => tensor(new[, ,] { { { 1f }, { 2 } } }), [1, 2], [1, 2, 1]),
        ["tensor list"] = new(() => tensor(new List<int> { 1, 2, 3, 4 }, 2, 2), [1, 2, 3, 4], [2, 2]),
        ["tensor memory"] = new(() => tensor(new[] { 1f, 2, 3 }.AsMemory(1), [2]), [2, 3]),
        ["tensor dtype"] = new(() => tensor(new[] { 1.9f, -1.9f }, int64), [1, -1]),
        ["as_tensor"] = new(() => as_tensor(new[] { 1, 2 }, float64), [1, 2]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_and_shape_match_hand_computation(string name) => s_cases[name].Check();

    [Fact]
    public void Element_types_follow_the_arguments()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(float32, zeros(1).dtype);
        Assert.Equal(int64, arange(3).dtype);
        Assert.Equal(float32, arange(3.0).dtype);
        Assert.Equal(int64, full(1, 7).dtype);
        Assert.Equal(@bool, full(1, true).dtype);
        Assert.Equal(bfloat16, zeros(1, bfloat16).dtype);
        Assert.Equal(float16, tensor((Half)1.5f).dtype);
        Assert.Equal(uint8, tensor(new byte[] { 1 }).dtype);
        Assert.Equal(int8, tensor(new sbyte[] { 1 }).dtype);
        Assert.Equal(int16, tensor(new short[] { 1 }).dtype);
        Assert.Equal(int32, tensor(new[] { 1 }).dtype);
        Assert.Equal(@bool, tensor(true).dtype);
        Assert.True(zeros(1, requires_grad: true).requires_grad);
        Assert.True(tensor([1f, 2f], requires_grad: true).requires_grad);
    }

    [Fact]
    public void Conversions()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1.5, -2.5, 0);
        Assert.Equal(float32, x.@float().dtype);
        Assert.Equal(float16, x.half().dtype);
        Assert.Equal(bfloat16, x.bfloat16().dtype);
        Assert.Equal(float64, x.@float().@double().dtype);
        AssertClose([1, -2, 0], x.@long(), 0);
        AssertClose([1, -2, 0], x.@int(), 0);
        AssertClose([1, 1, 0], x.@bool(), 0);
        Assert.Equal(int64, x.type_as(L(1)).dtype);
        Assert.Equal(int64, x.to(L(1)).dtype);
        Assert.Equal(float32, x.to(float32, CPU).dtype);
        Assert.Equal(CPU, x.to("cpu").device);
        Assert.Equal(CPU, x.cpu().device);
        Tensor copy = x.to(float64, copy: true);
        copy.fill_(0);
        AssertClose([1.5, -2.5, 0], x, 0);
        Tensor consumed = V(1);
        Tensor moved = consumed.to_type(float32, disposeAfter: true);
        Assert.True(consumed.IsInvalid);
        Assert.Equal(1f, moved.item<float>());
    }

    [Fact]
    public void Reading_single_values()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(2.5, V(2.5).item<double>());
        Assert.Equal(2.5f, V(2.5).item<float>());
        Assert.Equal(7, L(7).item<int>());
        Assert.True(B(1).item<bool>());
        Assert.Equal((BFloat16)1.5f, tensor((BFloat16)1.5f).item<BFloat16>());
        Assert.Equal(7L, (long)L(7));
        Assert.Equal(2.5f, (float)V(2.5));
        Assert.True((bool)B(1));
        Assert.Equal(5L, L(4, 5).ReadCpuInt64(1));
        Assert.Equal(int64, L(1).ToScalar().Type);
        Assert.ThrowsAny<Exception>(() => V(1, 2).item<double>());
    }

    [Fact]
    public void Accessors_read_and_write_any_layout()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = M(2, 0, 1, 2, 3, 4, 5);
        var turned = x.t().data<double>();
        Assert.Equal([0, 3, 1, 4, 2, 5], turned.ToArray());
        Assert.Equal([0, 3, 1, 4, 2, 5], turned);
        Assert.Equal(4, turned[1, 1]);
        turned[2, 0] = 9;
        Assert.Equal(9, x.data<double>()[0, 2]);
        turned.CopyFrom([7, 8], tensorIndex: 4);
        AssertClose([0, 1, 7, 3, 4, 8], x, 0);
        double[] part = new double[2];
        x.data<double>().CopyTo(part, tensorIndex: 4);
        Assert.Equal([4, 8], part);
        Assert.Throws<IndexOutOfRangeException>(() => turned[3, 0]);
        Assert.Throws<ArgumentException>(() => x.data<float>());
    }

    [Fact]
    public void Bfloat16_rounds_to_nearest_even_as_libtorch_does()
    {
        float[] values = [1f, 1.00390625f, 1.01171875f, -3.14159f, 1e38f, float.MaxValue, float.NaN, float.PositiveInfinity, 1e-40f];
        using DisposeScope scope = NewDisposeScope();
        double[] expected = Values(tensor(values).bfloat16());
        Assert.Equal(expected, values.Select(value => (double)new BFloat16(value)));
    }

    [Fact]
    public void Random_numbers_come_from_the_generator_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator first = new(7);
        using Generator second = new(7);
        Assert.True(randn(5, generator: first).equal(randn(5, generator: second)));
        Tensor state = first.get_state();
        Tensor next = rand(5, generator: first);
        first.set_state(state);
        Assert.True(next.equal(rand(5, generator: first)));
        first.manual_seed(7);
        second.manual_seed(8);
        Assert.False(randn(5, generator: first).equal(randn(5, generator: second)));
        Tensor uniform = rand(2000, generator: first);
        Assert.InRange(uniform.mean().item<float>(), 0.45f, 0.55f);
        Assert.True(uniform.ge(0).all().item<bool>() && uniform.lt(1).all().item<bool>());
        Tensor dice = randint(1, 7, [1000], generator: first);
        Assert.Equal(1, dice.min().item<int>());
        Assert.Equal(6, dice.max().item<int>());
        AssertClose([0, 1, 2, 3, 4], randperm(5, generator: first).sort().Values, 0);
        AssertClose([1, 1], V(0, 1).multinomial(2, true, first), 0);
        AssertClose([1, 1], ones(2).bernoulli_(1, first), 0);
        Assert.InRange(zeros(2000).normal_(3, 0.1, first).mean().item<float>(), 2.9f, 3.1f);
        Assert.InRange(zeros(2000).exponential_(2, first).mean().item<float>(), 0.4f, 0.6f);
        Assert.InRange(zeros(100).uniform_(2, 3, first).min().item<float>(), 2f, 3f);
    }

    [Fact]
    public void Scalars_keep_their_kind()
    {
        Assert.Equal(int32, ((Scalar)1).Type);
        Assert.Equal(float64, ((Scalar)1.0).Type);
        Assert.Equal(@bool, ((Scalar)true).Type);
        Assert.Equal(1.5, ((Scalar)1.5f).ToDouble());
        Assert.Equal(long.MaxValue, ((Scalar)long.MaxValue).ToInt64());
        Assert.True(((Scalar)0.5).ToBoolean());
        Assert.Equal(2, ((Scalar)2.9).ToInt32());
    }

    [Theory]
    [InlineData("cpu", DeviceType.CPU, -1)]
    [InlineData("cuda", DeviceType.CUDA, -1)]
    [InlineData("CUDA:1", DeviceType.CUDA, 1)]
    public void Devices_by_name(string name, DeviceType type, int index)
    {
        Device device = name;
        Assert.Equal(type, device.type);
        Assert.Equal(index, device.index);
        Assert.Equal(name.ToLowerInvariant(), device.ToString());
        Assert.Equal(new Device(type, index), device);
    }

    [Theory]
    [InlineData("gpu")]
    [InlineData("cuda:x")]
    [InlineData("cuda:-2")]
    public void A_wrong_device_is_named(string name) => Assert.Contains(name, Assert.Throws<ArgumentException>(() => device(name)).Message);
}
