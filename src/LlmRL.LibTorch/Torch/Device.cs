namespace TorchSharp;

/// <summary>Kinds of device; the numbers are c10's.</summary>
public enum DeviceType
{
    /// <summary>Host memory.</summary>
    CPU = 0,

    /// <summary>An NVIDIA GPU.</summary>
    CUDA = 1,

    /// <summary>Shapes and dtypes without memory.</summary>
    META = 14,
}

public static partial class torch
{
    /// <summary>Host memory.</summary>
    public static readonly Device CPU = new(DeviceType.CPU);

    /// <summary>The current GPU.</summary>
    public static readonly Device CUDA = new(DeviceType.CUDA);

    /// <summary>Shapes and dtypes without memory.</summary>
    public static readonly Device META = new(DeviceType.META);

    /// <summary>The device of a description such as <c>cpu</c> or <c>cuda:1</c>.</summary>
    public static Device device(string description) => new(description);

    /// <summary>A device by type and index (-1: the current one).</summary>
    public static Device device(string deviceType, int index = -1) => new(deviceType, index);

    /// <summary>A device by type and index (-1: the current one).</summary>
    public static Device device(DeviceType deviceType, int index = -1) => new(deviceType, index);

    /// <summary>The GPU of that index.</summary>
    public static Device device(int index) => new(index);

    /// <summary>Where a tensor lives.</summary>
    public sealed class Device : IEquatable<Device>
    {
        /// <summary>The device of a description such as <c>cpu</c> or <c>cuda:1</c>.</summary>
        public Device(string description)
        {
            int colon = description.IndexOf(':');
            type = Parse(colon < 0 ? description : description[..colon], description);
            index = colon < 0 ? -1
                : int.TryParse(description.AsSpan(colon + 1), out int number) && number >= 0 ? number
                : throw new ArgumentException($"'{description}' names no device: write cpu, cuda or cuda:0.", nameof(description));
        }

        /// <summary>A device by type and index (-1: the current one).</summary>
        public Device(string deviceType, int index = -1)
        {
            type = Parse(deviceType, deviceType);
            this.index = index;
        }

        /// <summary>A device by type and index (-1: the current one).</summary>
        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index;
        }

        /// <summary>The GPU of that index.</summary>
        public Device(int index) : this(DeviceType.CUDA, index)
        {
        }

        /// <summary>The kind.</summary>
        public DeviceType type { get; }

        /// <summary>Which of its kind; -1 is the current one.</summary>
        public int index { get; }

        /// <summary>The device of a description such as <c>cuda:1</c>.</summary>
        public static implicit operator Device(string description) => new(description);

        /// <inheritdoc/>
        public bool Equals(Device? other) => other is not null && type == other.type && index == other.index;

        /// <inheritdoc/>
        public override bool Equals(object? obj) => Equals(obj as Device);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(type, index);

        /// <inheritdoc/>
        public override string ToString() => index < 0 ? type.ToString().ToLowerInvariant() : $"{type.ToString().ToLowerInvariant()}:{index}";

        private static DeviceType Parse(string type, string description) => type.ToLowerInvariant() switch
        {
            "cpu" => DeviceType.CPU,
            "cuda" => DeviceType.CUDA,
            "meta" => DeviceType.META,
            _ => throw new ArgumentException($"'{description}' names no device: write cpu, cuda or cuda:0.", nameof(description)),
        };
    }
}
